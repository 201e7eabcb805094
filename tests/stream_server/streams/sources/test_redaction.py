from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.streams.sources.redaction import mask_url, redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:geheim@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin@cam/1", "rtsp://admin@cam/1"),
        ("rtsp://:geheim@cam/1", "rtsp://:***@cam/1"),
        ("rtsp://a:ge%40he%2Fim@cam:554/1", "rtsp://a:***@cam:554/1"),
        ("rtsp://a:ge@he@cam/1", "rtsp://a:***@cam/1"),
        ("http://cam/v?user=a&password=geheim&ch=1", "http://cam/v?user=a&password=***&ch=1"),
        ("http://cam/v?PWD=geheim", "http://cam/v?PWD=***"),
        ("http://cam/v?access_token=ge/he;im", "http://cam/v?access_token=***"),
        ("http://cam/v?X-Amz-Signature=abc", "http://cam/v?X-Amz-Signature=***"),
        ("http://cam/v?api-key=abc&x=1", "http://cam/v?api-key=***&x=1"),
        ("rtsp://cam/user=admin_password=geheim_channel=1.sdp", "rtsp://cam/user=admin_password=***"),
        ("rtsp://cam/h264?ch=1&subtype=0", "rtsp://cam/h264?ch=1&subtype=0"),
        ("rtsp://[2001:db8::1]:554/x", "rtsp://[2001:db8::1]:554/x"),
        ("rtsp://a:b@[::1/broken", "rtsp://a:***@[::1/broken"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        "[Errno 1] Server returned 401: 'rtsp://admin:geheim@10.0.0.1:554/x'",
        "tried rtsp://a:geheim@h/1, then rtsp://b:geheim@h/2",
        "rtsp://admin:gehe@geheim@host/x",
        "rtsp://admin:ge/geheim@host/x",
        "rtsp://admin:'geheim'@host/x",
        'rtsp://admin:"geheim@host/x',
        "go=rtsp%3A%2F%2Fadmin%3Ageheim%40host%2Fx",
        "GET /x?password=geheim HTTP/1.1",
        "url=/x%3Fpwd%3Dgeheim",
        "rtsp://admin:ge\u00e4geheim@host",
    ],
)
def test_no_password_is_left_in_any_text(text: str) -> None:
    assert "geheim" not in redact(text)


@pytest.mark.parametrize("text", ["", "no address here", "mail me at a@b.example", "12:30:05 ok", "rtsp://cam/1 lost"])
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=60))
def test_a_badly_escaped_password_never_survives_in_a_log_line(password: str) -> None:
    marked = f"QX{password}QX"
    assert marked not in redact(f"cannot open 'rtsp://admin:{marked}@10.0.0.1/x': refused")


@pytest.mark.parametrize("piece", ["_key", "key", "://", "a:", "@", "password=", "%3a%2f%2f", "rtsp://a:b@"])
def test_hostile_text_costs_no_time(piece: str) -> None:
    redact(piece * (100_000 // len(piece)))  # the test's time-out is the judge
