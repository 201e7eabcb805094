from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Iterable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from analyzer.errors import TooLargeError
from stream_server.web import upload
from stream_server.web.http_errors import ApiError
from stream_server.web.upload import check_upload_headers, receive_upload

BOUNDARY = b"frontier"
FILE_HEAD = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'
END = b"\r\n--frontier--\r\n"


def a_request(
    chunks: Iterable[bytes] = (), content_type: str = "multipart/form-data; boundary=frontier", **headers: str
) -> Request:
    rest = iter(chunks)

    async def receive() -> Message:
        chunk = next(rest, None)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != END}

    pairs = {"content-type": content_type, **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


async def received(*chunks: bytes, max_bytes: int = 10_000) -> tuple[str, bytes]:
    target = io.BytesIO()
    name = await receive_upload(a_request(chunks), BOUNDARY, target, max_bytes)
    return name, target.getvalue()


async def test_the_bytes_of_the_file_arrive_as_they_were_sent() -> None:
    data = bytes(range(256)) * 3 + b"\r\n--front" + b"\r\n\r\n"
    assert await received(FILE_HEAD, data, END) == ("clip.mp4", data)


async def test_it_does_not_matter_where_the_body_is_cut_into_chunks() -> None:
    data = b"ab\r\n--frontie" * 5
    body = FILE_HEAD + data + END[:-1]
    for size in (1, 2, 3, 7, 50):
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        assert await received(*chunks, b"", END) == ("clip.mp4", data)


async def test_other_fields_are_skipped_and_the_first_file_counts() -> None:
    other = b'--frontier\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    second = b'\r\n--frontier\r\nContent-Disposition: form-data; name="file"; filename="b.mp4"\r\n\r\nno'
    assert await received(other, FILE_HEAD, b"yes", second, END) == ("clip.mp4", b"yes")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\videos\\\\a.mp4", "a.mp4"),
        ("жеглов и шарапов.mp4", "жеглов и шарапов.mp4"),
        ("a\x07b.mp4", "ab.mp4"),
        ("x" * 1000, "x" * 255),
        ("", ""),
    ],
)
async def test_a_file_name_is_cut_to_what_can_be_shown(sent: str, kept: str) -> None:
    head = f'--frontier\r\nContent-Disposition: form-data; name="file"; filename="{sent}"\r\n\r\n'.encode()
    assert await received(head, b"x", END) == (kept, b"x")


async def test_a_body_longer_than_allowed_is_refused_while_it_comes() -> None:
    with pytest.raises(TooLargeError, match="more than 1000 bytes"):
        await received(FILE_HEAD, b"x" * 1000, END, max_bytes=1000)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"this is no multipart body", END], id="no boundary at the start"),
        pytest.param([FILE_HEAD, b"cut", b"\r\n--frontier", END[:0]], id="no closing boundary"),
        pytest.param([b"--frontier\r\nBad Header\r\n\r\n", END], id="bad header"),
        pytest.param([b"--frontier\r\n" + b"A: b\r\n" * 500 + b"\r\n", END], id="too many headers"),
        pytest.param([b"--frontier\r\nA: " + b"b" * 100_000, END], id="too long a header"),
    ],
)
async def test_a_malformed_body_is_refused(chunks: list[bytes]) -> None:
    async def cut() -> AsyncGenerator[Message, None]:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    messages = cut()
    request = Request({"type": "http", "method": "POST", "headers": []}, messages.__anext__)
    with pytest.raises(ApiError) as caught:
        await receive_upload(request, BOUNDARY, io.BytesIO(), 1_000_000)
    assert (caught.value.status, caught.value.code) == (400, "malformed_multipart")
    await messages.aclose()


@pytest.mark.parametrize(
    "disposition",
    ['form-data; name="video"; filename="a.mp4"', 'form-data; name="file"', "form-data", "attachment", ""],
)
async def test_without_a_file_in_the_field_it_says_so(disposition: str) -> None:
    head = f"--frontier\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    with pytest.raises(ApiError) as caught:
        await received(head, b"x", END)
    assert (caught.value.status, caught.value.code) == (422, "missing_file")


async def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    with pytest.raises(ClientDisconnect):
        await received(FILE_HEAD, b"half of it")


async def test_a_client_that_stops_sending_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "IDLE_TIMEOUT_S", 0.01)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(ApiError) as caught:
        await receive_upload(Request({"type": "http", "headers": []}, receive), BOUNDARY, io.BytesIO(), 1000)
    assert (caught.value.status, caught.value.code) == (408, "upload_stalled")


@pytest.mark.parametrize("content_type", ["video/mp4", "application/json", "", "multipart/mixed; boundary=x", "\xff"])
def test_anything_but_a_form_is_an_unsupported_media_type(content_type: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_upload_headers(a_request(content_type=content_type), 1000)
    assert caught.value.status == 415


def test_a_form_without_a_boundary_is_malformed() -> None:
    with pytest.raises(ApiError) as caught:
        check_upload_headers(a_request(content_type="multipart/form-data"), 1000)
    assert caught.value.status == 400


async def test_a_boundary_beyond_any_sense_is_malformed() -> None:
    with pytest.raises(ApiError) as caught:
        await receive_upload(a_request([END]), b"x" * 10_000, io.BytesIO(), 1000)
    assert caught.value.status == 400


def test_an_announced_size_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(TooLargeError, match="1001 bytes; at most 1000"):
        check_upload_headers(a_request(content_length="1001"), 1000)
    assert check_upload_headers(a_request(content_length="1000"), 1000) == b"frontier"
    assert check_upload_headers(a_request(content_length="-5"), 1000) == b"frontier"
