"""The zip in the one form that evidence has: nothing in it is free, so that any other byte is a change.

Stored, not compressed; ASCII names; the time 1980-01-01 00:00:00; no extra fields, no comments, no gaps. APPNOTE.TXT
6.3 by PKWARE has the meaning of every field. Written here and not by `zipfile`, whose headers differ by version.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

LOCAL: Final = struct.Struct("<4s5H3I2H")
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")
LOCAL_MARK: Final = b"PK\x03\x04"
CENTRAL_MARK: Final = b"PK\x01\x02"
END_MARK: Final = b"PK\x05\x06"

_NEEDS: Final = 20
"""Version 2.0 of the format, which every program reads."""
_MADE_BY: Final = 3 << 8 | _NEEDS
"""Unix, so that the mode below is understood."""
_TIME: Final = 0
_DATE: Final = 1 << 5 | 1
"""1980-01-01, the first that a zip can hold: when a file was made stands in the manifest."""
_MODE: Final = 0o100644 << 16
"""A plain file, readable by all."""
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """All that a header depends on."""

    name: str
    size: int
    crc: int
    """CRC-32, as zip has it."""


def write(files: Sequence[tuple[str, bytes]]) -> bytes:
    """The whole zip, the files in this order. Names are ASCII, and all together is less than 4 GB."""
    entries = [Entry(name, len(data), zlib.crc32(data)) for name, data in files]
    parts: list[bytes] = []
    for entry, (_, data) in zip(entries, files, strict=True):
        parts += [_local(entry), data]
    return b"".join(parts) + _directory(entries)


def first_difference(file: BinaryIO, size: int, entries: Sequence[Entry]) -> str | None:
    """Where a file of `size` bytes is not the zip that `write` makes of such files in such an order; None: nowhere.

    Contents are not looked at, only everything around them.
    """
    position = 0
    for entry in entries:
        header = _local(entry)
        if _at(file, position, len(header)) != header:
            return f"the header of {entry.name}"
        position += len(header) + entry.size
    tail = _directory(entries)
    if _at(file, position, len(tail)) != tail:
        return "the list of files at its end"
    return None if size == position + len(tail) else "bytes after its end"


def chunks(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    """The bytes from `start`, fewer than `size` where the file ends before."""
    file.seek(start)
    while size > 0 and (data := file.read(min(size, _CHUNK))):
        size -= len(data)
        yield data


def _at(file: BinaryIO, start: int, size: int) -> bytes:
    return b"".join(chunks(file, start, size))


def _local(entry: Entry) -> bytes:
    name = entry.name.encode("ascii")
    return LOCAL.pack(LOCAL_MARK, _NEEDS, 0, 0, _TIME, _DATE, entry.crc, entry.size, entry.size, len(name), 0) + name


def _directory(entries: Sequence[Entry]) -> bytes:
    position, rows = 0, []
    for entry in entries:
        name = entry.name.encode("ascii")
        rows.append(
            CENTRAL.pack(
                CENTRAL_MARK, _MADE_BY, _NEEDS, 0, 0, _TIME, _DATE, entry.crc, entry.size, entry.size,
                len(name), 0, 0, 0, 0, _MODE, position,
            )
            + name
        )  # fmt: skip
        position += LOCAL.size + len(name) + entry.size
    listed = b"".join(rows)
    return listed + END.pack(END_MARK, 0, 0, len(entries), len(entries), len(listed), position, 0)
