"""What a zip from anywhere holds, read without trusting it: nothing goes to disk, sizes are bounded before reading.

The zip's own list of files ("directory") is what programs go by, so it is read first. Where it cannot be, the files are
looked for one after the other from the beginning, to say as much of a damaged zip as can be said.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from analyzer.errors import EvidenceError
from analyzer.printable import printable
from stream_server.events.evidence_zip.container import (
    CENTRAL,
    CENTRAL_MARK,
    END,
    END_MARK,
    LOCAL,
    LOCAL_MARK,
    chunks,
)
from stream_server.events.evidence_zip.layout import MAX_ENTRIES, MAX_FILE, MAX_HEADERS, MAX_NAME, MAX_TOTAL

_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED: Final = 1 | 1 << 6 | 1 << 13
"""Flags: encrypted, strongly, headers too."""
SIZES_AFTER: Final = 1 << 3
"""Flag: the sizes stand behind the file, in a data descriptor, as in a zip that was written without going back."""
_UTF_8: Final = 1 << 11
_IN_ZIP64: Final = 0xFFFFFFFF
_END_SEARCH: Final = END.size + 0xFFFF
"""Bytes from the file's end in which the end record must be: it may be followed by a comment."""
_AT_ONCE: Final = 64 * 1024


class UnreadableError(EvidenceError):
    """One file of a zip cannot be read; the text says why and goes on from the file's name."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file, as the zip's directory describes it."""

    name: str
    """With bytes that are no text spelled out, so it need not be a name that a file can bear."""
    flags: int
    method: int
    crc: int
    packed: int
    """Bytes in the zip."""
    size: int
    """Bytes unpacked: as declared, none of it is believed before it was counted."""
    header_at: int
    trouble: str = ""
    """Why it must not be read; empty when it may be."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a zip, in the order of its directory."""

    members: tuple[Member, ...]
    damage: str = ""
    """What is wrong with the directory, empty when it could be read: then the files were searched for instead."""
    directory_at: int = 0
    """Where the directory begins, and where the end record behind it does; nothing with `damage`."""
    end_at: int = 0


def list_members(file: BinaryIO, size: int) -> Listing:
    """Of a file of `size` bytes. Raises `EvidenceError` when neither a directory nor a first file is found."""
    try:
        found = _from_directory(file, size)
        return replace(found, members=_without_overlaps(file, found.members))
    except _NoDirectoryError as error:
        searched = _from_beginning(file, size)
        if not searched:
            raise EvidenceError(f"it is no zip file: {error}") from error
        return Listing(tuple(searched), str(error))


def content(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The unpacked bytes, exactly `member.size` of them. Raises `UnreadableError` where they are not to be had."""
    if member.trouble:
        raise UnreadableError(member.trouble)
    start = _data_start(file, member)
    raw = chunks(file, start, member.packed)
    unpacked = raw if member.method == _STORED else _inflated(raw, member.size)
    left = member.size
    for data in unpacked:
        left -= len(data)
        yield data
    if left > 0 and member.method == _STORED:
        raise UnreadableError(f"is cut off: {left} of its {member.size} bytes are missing")
    if left != 0:
        raise UnreadableError(f"does not unpack to the {member.size} bytes that the zip says it has")


def _inflated(raw: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Never more than `size` bytes and one, however much there would be."""
    inflate, left = zlib.decompressobj(-zlib.MAX_WBITS), size + 1
    try:
        for data in raw:
            waiting, most, out = data, 0, b""
            if inflate.eof:  # programs that do not go by the directory would take it for the next file
                raise UnreadableError("is followed by bytes that are none of its own")
            while (waiting or len(out) == most) and left > 0 and not inflate.eof:  # at most: more may be inside
                most = min(left, _AT_ONCE)
                out = inflate.decompress(waiting, most)
                waiting = inflate.unconsumed_tail
                left -= len(out)
                yield out
            if inflate.unused_data:
                raise UnreadableError("is followed by bytes that are none of its own")
    except zlib.error as error:
        raise UnreadableError("cannot be unpacked: its bytes are damaged") from error


def _data_start(file: BinaryIO, member: Member) -> int:
    header = _at(file, member.header_at, LOCAL.size)
    if len(header) < LOCAL.size or not header.startswith(LOCAL_MARK):
        raise UnreadableError("is not where the zip's list of files says, or its header is damaged")
    _, _, flags, method, _, _, _, packed, size, name_size, extra_size = LOCAL.unpack(header)
    if method != member.method or (not flags & SIZES_AFTER and (packed, size) != (member.packed, member.size)):
        raise UnreadableError("is described otherwise by its own header: programs would not agree what it is")
    name = _name(_at(file, member.header_at + LOCAL.size, name_size), member.flags)
    if name != member.name:
        raise UnreadableError(
            f"is called {printable(name[:MAX_NAME])} by its own header: programs would not agree what it is"
        )
    return int(member.header_at + LOCAL.size + name_size + extra_size)


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF_8 else "ascii")
    except UnicodeDecodeError:
        return raw.decode("ascii", "backslashreplace")


def _at(file: BinaryIO, start: int, size: int) -> bytes:
    return b"".join(chunks(file, start, size))


class _NoDirectoryError(EvidenceError):
    """There is no directory that could be read; the text says what is wrong."""


def _from_directory(file: BinaryIO, size: int) -> Listing:
    end_at, start, count, before = _end_record(file, size)
    if end_at - start > MAX_HEADERS:
        raise _NoDirectoryError("its list of files is larger than any that evidence has")
    raw, position, members = _at(file, start, end_at - start), 0, []
    while position < len(raw):
        member, position = _directory_entry(raw, position)
        members.append(member)
        if len(members) > MAX_ENTRIES:
            raise _NoDirectoryError(f"it lists more than {MAX_ENTRIES} files")
    if len(members) != count:
        raise _NoDirectoryError(f"its list says that it has {count} files, and has {len(members)}")
    if sum(member.size for member in members) > MAX_TOTAL:
        raise _NoDirectoryError(f"its files would be more than {MAX_TOTAL // 2**20} MB unpacked")
    if before and members and _at(file, members[0].header_at + before, len(LOCAL_MARK)) != LOCAL_MARK:
        raise _NoDirectoryError("the list of files at its end is damaged, or not where the zip says")
    placed = tuple(replace(member, header_at=member.header_at + before) for member in members)
    return Listing(placed, directory_at=start, end_at=end_at)


def _end_record(file: BinaryIO, size: int) -> tuple[int, int, int, int]:
    """Where the end record and the directory begin, how many files it counts, and the bytes before the zip's own."""
    tail_at = max(0, size - _END_SEARCH)
    tail = _at(file, tail_at, size - tail_at)
    found = tail.rfind(END_MARK, 0, max(0, len(tail) - END.size + len(END_MARK)))
    if found < 0:
        raise _NoDirectoryError("the list of files at its end is missing or damaged")
    _, disk, other_disk, here, count, listed, start, _ = END.unpack_from(tail, found)
    if 0xFFFF in (here, count) or _IN_ZIP64 in (listed, start):
        raise _NoDirectoryError("it is in the ZIP64 form, which evidence never needs")
    end_at = tail_at + found
    before = end_at - listed - start
    if disk or other_disk or here != count or before < 0:
        raise _NoDirectoryError("the list of files at its end is damaged, or not where the zip says")
    return end_at, start + before, count, before


def _directory_entry(raw: bytes, position: int) -> tuple[Member, int]:
    try:
        fields = CENTRAL.unpack_from(raw, position)
    except struct.error as error:
        raise _NoDirectoryError("its list of files is damaged") from error
    mark, _, _, flags, method, _, _, crc, packed, size, *sizes, _, _, _, header_at = fields
    name_size = sizes[0]
    name_at = position + CENTRAL.size
    after = name_at + sum(sizes)
    if mark != CENTRAL_MARK or after > len(raw):
        raise _NoDirectoryError("its list of files is damaged")
    name = _name(raw[name_at : name_at + name_size], flags)
    member = Member(name, flags, method, crc, packed, size, header_at)
    return replace(member, trouble=_trouble(member)), after


def _trouble(member: Member) -> str:
    if member.flags & _ENCRYPTED:
        return "is encrypted, which no file of evidence is"
    if _IN_ZIP64 in (member.packed, member.size, member.header_at):
        return "is described in the ZIP64 form, which evidence never needs"
    if max(member.packed, member.size) > MAX_FILE:
        return f"would be {max(member.packed, member.size)} bytes, more than the {MAX_FILE // 2**20} MB that are read"
    if member.method not in {_STORED, _DEFLATED}:
        return f"is compressed in a way (method {member.method}) that no evidence uses"
    if member.method == _STORED and member.packed != member.size:
        return f"has two sizes by the zip's list of files, {member.packed} and {member.size} bytes"
    return ""


def _without_overlaps(file: BinaryIO, members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Files that share bytes are marked: else a small zip could be read as a huge one, or as two."""
    places = sorted(range(len(members)), key=lambda place: members[place].header_at)
    ends, shared, furthest = 0, set(), -1
    for place in places:
        member = members[place]
        if member.header_at < ends:
            shared |= {place, furthest}
        header = _at(file, member.header_at, LOCAL.size)
        sizes = LOCAL.unpack(header)[-2:] if len(header) == LOCAL.size else (0, 0)
        end = member.header_at + LOCAL.size + sum(sizes) + member.packed
        if end >= ends:
            ends, furthest = end, place
    return tuple(
        replace(member, trouble=member.trouble or "shares bytes with another file of the zip")
        if place in shared
        else member
        for place, member in enumerate(members)
    )


def _from_beginning(file: BinaryIO, size: int) -> list[Member]:
    """File after file, as far as their own headers lead."""
    members: list[Member] = []
    position = total = 0
    while len(members) < MAX_ENTRIES and total <= MAX_TOTAL:
        header = _at(file, position, LOCAL.size)
        if len(header) < LOCAL.size or not header.startswith(LOCAL_MARK):
            break
        _, _, flags, method, _, _, crc, packed, unpacked, name_size, extra_size = LOCAL.unpack(header)
        raw_name = _at(file, position + LOCAL.size, min(name_size, 4 * MAX_NAME))
        member = Member(_name(raw_name, flags), flags, method, crc, packed, unpacked, position)
        members.append(replace(member, trouble=_trouble(member)))
        position += LOCAL.size + name_size + extra_size + packed
        total += unpacked
        if position > size:
            break
    return members
