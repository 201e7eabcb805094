"""Whether a picture of an H.264 stream was lost whole, which no decoder tells (ITU-T H.264, 7.3.2.1 and 7.3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SLICE: Final = 1
_IDR_SLICE: Final = 5
_SPS: Final = 7
_WITH_CHROMA: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 134, 135, 138, 139})
"""Profiles whose parameter sets say more of colour."""
_MOST_BYTES: Final = {_SLICE: 32, _IDR_SLICE: 32, _SPS: 1024}
"""What is wanted lies at the beginning; a parameter set with all scaling lists takes some 800."""

LISTENED: Final = 100
"""Pictures after which a camera is judged by its leaps."""
MOST_LEAPS: Final = 0.3
"""Of them; a network that loses so much shows nothing anyway."""


@dataclass(frozen=True, slots=True)
class _Numbering:
    bits: int
    """Frame numbers count modulo 2 to the power of this."""
    planes: bool
    """Colour planes are coded apart, and each slice says which one it is of."""
    gaps: bool
    """Numbers may be left out on purpose."""


class FrameNumbers:
    """Follows the numbers of a stream's pictures: one is missing where they leap.

    A camera whose numbers leap all the time numbers them in a way of its own, and is no longer listened to.
    """

    def __init__(self, parameter_sets: bytes = b"") -> None:
        """`parameter_sets`: those of the SDP, in Annex B form; more may come with the pictures."""
        self._numbering: _Numbering | None = None
        self._newest: int | None = None
        """Of the newest picture that others are predicted from; None where it is not known."""
        self._followed = self._leaps = 0
        self.missing_before(parameter_sets)

    def missing_before(self, data: bytes) -> bool:
        """Whether a picture is missing between this one, encoded in Annex B form, and the one given before.

        What cannot be read is no gap.
        """
        for kind, referenced, unit in _units(data):
            try:
                if kind == _SPS:
                    self._numbering = _numbering(_Bits(unit))
                elif self._numbering is not None:
                    leapt = self._follow(_frame_number(_Bits(unit), self._numbering), referenced, kind == _IDR_SLICE)
                    return self._believed(leapt)
            except EOFError:
                self._newest = None
        return False

    def _believed(self, leapt: bool) -> bool:
        self._followed += 1
        self._leaps += leapt
        return leapt and (self._followed < LISTENED or self._leaps < MOST_LEAPS * self._followed)

    def _follow(self, number: int, referenced: bool, idr: bool) -> bool:
        numbering, before = self._numbering, self._newest
        assert numbering is not None
        modulus = 1 << numbering.bits
        if referenced:
            self._newest = number
        if idr or before is None or numbering.gaps or number in (before, (before + 1) % modulus):
            return False
        if not referenced:  # it stands after the picture that is missing: the same gap is told once
            self._newest = (number - 1) % modulus
        return True


def _units(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """The beginnings of parameter sets and slices: type, whether others are predicted from it, what follows."""
    start = data.find(b"\x00\x00\x01")
    while 0 <= start < len(data) - 4:
        head = data[start + 3]
        kind = head & 0x1F
        if kind in _MOST_BYTES:
            begins = start + 4
            # zeros followed by a 3 stand for zeros
            yield kind, bool(head & 0x60), data[begins : begins + _MOST_BYTES[kind]].replace(b"\0\0\3", b"\0\0")
        start = data.find(b"\x00\x00\x01", start + 3)


class _Bits:
    """Reads bit by bit. `EOFError` at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits as a number: u(n)."""
        if count > self._left:
            raise EOFError
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """An Exp-Golomb number: ue(v), 9.1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        if zeros > 32:
            raise EOFError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """One with a sign: se(v), 9.1.1."""
        coded = self.unsigned()
        return (coded + 1) // 2 if coded % 2 else -(coded // 2)


def _numbering(bits: _Bits) -> _Numbering:
    """Of a sequence parameter set, without its NAL header."""
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    bits.unsigned()  # id
    planes = False
    if profile in _WITH_CHROMA:
        chroma = bits.unsigned()
        planes = chroma == 3 and bool(bits.take(1))
        bits.unsigned()  # depth of luma
        bits.unsigned()  # and of chroma
        bits.take(1)
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    log2 = bits.unsigned() + 4
    if log2 > 16:
        raise EOFError
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()
    bits.unsigned()  # reference frames
    return _Numbering(log2, planes, bool(bits.take(1)))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _frame_number(bits: _Bits, numbering: _Numbering) -> int:
    """Of a slice, without its NAL header."""
    bits.unsigned()  # first macroblock
    bits.unsigned()  # type
    bits.unsigned()  # picture parameter set
    if numbering.planes:
        bits.take(2)
    return bits.take(numbering.bits)
