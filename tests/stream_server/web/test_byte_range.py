from __future__ import annotations

import pytest

from stream_server.web.byte_range import answer

DATA = b"0123456789"


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        pytest.param(None, 200, DATA, None, id="nothing asked"),
        pytest.param("bytes=0-", 206, DATA, "bytes 0-9/10", id="from the start"),
        pytest.param("bytes=2-4", 206, b"234", "bytes 2-4/10", id="the middle"),
        pytest.param("bytes=8-99", 206, b"89", "bytes 8-9/10", id="beyond the end"),
        pytest.param("bytes=-3", 206, b"789", "bytes 7-9/10", id="the last three"),
        pytest.param("bytes=-99", 206, DATA, "bytes 0-9/10", id="more than there is"),
        pytest.param("bytes=10-", 416, b"", "bytes */10", id="after the end"),
        pytest.param("bytes=-0", 416, b"", "bytes */10", id="the last none"),
        pytest.param("bytes=4-2", 200, DATA, None, id="backwards"),
        pytest.param("bytes=-", 200, DATA, None, id="no number"),
        pytest.param("bytes=0-1,3-4", 200, DATA, None, id="several"),
        pytest.param("lines=0-1", 200, DATA, None, id="other units"),
        pytest.param("bytes=0-" + "9" * 400, 200, DATA, None, id="a number too long"),
    ],
)
def test_a_range_is_answered(asked: str | None, status: int, body: bytes, content_range: str | None) -> None:
    response = answer(DATA, "video/mp4", asked, {"Cache-Control": "private"})
    assert (response.status_code, response.body) == (status, body)
    assert response.headers.get("content-range") == content_range
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["cache-control"] == "private"


def test_an_empty_file_has_no_range() -> None:
    assert answer(b"", "video/mp4", "bytes=0-", {}).status_code == 416
    assert answer(b"", "video/mp4", None, {}).status_code == 200
