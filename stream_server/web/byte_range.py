"""A part of a file, for players: without it some play no video at all, and none can go back and forth in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

# RFC 9110, section 14.1.2; of several ranges at once, which a server need not honour, the whole is given
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


def answer(data: bytes, media_type: str, asked: str | None, headers: Mapping[str, str]) -> Response:
    """The whole (200), the range that the `Range` header asks for (206), or that there is no such range (416)."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found.groups() == ("", ""):
        return Response(data, media_type=media_type, headers=headers)
    first, last = found.groups()
    if first:
        begin, end = int(first), min(int(last), len(data) - 1) if last else len(data) - 1
        if last and int(last) < int(first):  # no range at all
            return Response(data, media_type=media_type, headers=headers)
    else:
        begin, end = max(0, len(data) - int(last)), len(data) - 1
    if begin > end:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
    content_range = {"Content-Range": f"bytes {begin}-{end}/{len(data)}"}
    return Response(data[begin : end + 1], 206, media_type=media_type, headers={**headers, **content_range})
