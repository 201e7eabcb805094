"""Bytes of a zip that belong to no file of its list: programs that read from the beginning may find files there."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from stream_server.events.evidence_zip.container import END, LOCAL, chunks
from stream_server.events.evidence_zip.members import SIZES_AFTER, Listing, Member

_DESCRIPTOR: Final = struct.Struct("<3I")
_DESCRIPTOR_MARK: Final = b"PK\x07\x08"
"""Usual before it, but not needed."""


def stray_bytes(file: BinaryIO, size: int, listing: Listing) -> str | None:
    """Where the first of them lie in a file of `size` bytes, in words; None: there are none.

    For a listing without damage. Headers, whatever is in them, and the list itself belong to the files.
    """
    position, last = 0, "the beginning"
    for member in sorted(listing.members, key=lambda one: one.header_at):
        if member.header_at > position:
            return f"behind {last}" if position else "before the first file"
        end = _end_of(file, member)
        if end > position:
            position, last = end, member.name[:200] or "a file without a name"
    if listing.directory_at > position:
        return f"behind {last}"
    return "behind its end" if size > listing.end_at + END.size else None


def _end_of(file: BinaryIO, member: Member) -> int:
    header = _at(file, member.header_at, LOCAL.size)
    if len(header) < LOCAL.size:
        return member.header_at
    _, _, flags, *_, name_size, extra_size = LOCAL.unpack(header)
    end = int(member.header_at + LOCAL.size + name_size + extra_size + member.packed)
    if not flags & SIZES_AFTER:
        return end
    written = _DESCRIPTOR.pack(member.crc, member.packed, member.size)
    for descriptor in (_DESCRIPTOR_MARK + written, written):
        if _at(file, end, len(descriptor)) == descriptor:
            return end + len(descriptor)
    return end


def _at(file: BinaryIO, start: int, size: int) -> bytes:
    return b"".join(chunks(file, start, size))
