"""Zips as others make them: packed again, and hostile ones, field by field."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def files_of(path: Path) -> dict[str, bytes]:
    """What is in a zip, by name."""
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed_again(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """As any program packs them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in files:
            made.writestr(name, data)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Raw:
    """One file of a zip, of which everything may be a lie."""

    name: bytes
    data: bytes = b""
    size: int | None = None
    """As declared; None is the truth."""
    packed: int | None = None
    flags: int = 0
    method: int = 0
    own_name: bytes | None = None
    """What its own header calls it."""
    same_place_as: int | None = None
    """The number of a file whose header this one's entry points at."""


def raw_zip(files: Iterable[Raw], *, count: int | None = None, disk: int = 0) -> bytes:
    """A zip of such files; `count` is how many its end says there are."""
    body, rows = b"", b""
    places: list[int] = []
    for one in files:
        size = len(one.data) if one.size is None else one.size
        packed = len(one.data) if one.packed is None else one.packed
        own = one.name if one.own_name is None else one.own_name
        same = (20, one.flags, one.method, 0, 33, zlib.crc32(one.data), packed, size)
        places.append(len(body) if one.same_place_as is None else places[one.same_place_as])
        rows += struct.pack("<4sH5H3I5H2I", b"PK\1\2", 20, *same, len(one.name), 0, 0, 0, 0, 0, places[-1]) + one.name
        if one.same_place_as is None:
            body += struct.pack("<4s5H3I2H", b"PK\3\4", *same, len(own), 0) + own + one.data
    number = len(places) if count is None else count
    return body + rows + struct.pack("<4s4H2IH", b"PK\5\6", disk, disk, number, number, len(rows), len(body), 0)
