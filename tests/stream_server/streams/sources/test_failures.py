from __future__ import annotations

import errno
import os

import av
import av.error
import pytest

from analyzer.errors import SourceErrorKind as Kind
from stream_server.streams.sources.failures import explain_open, explain_read

URL = "rtsp://admin:geheim@host/x"


def _os_error(number: int) -> av.error.FFmpegError:
    try:
        av.error.err_check(-number, URL)
    except av.error.FFmpegError as error:
        return error
    raise AssertionError(number)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (av.error.HTTPUnauthorizedError(1, "401", URL), Kind.AUTH),
        (av.error.HTTPForbiddenError(1, "403", URL), Kind.AUTH),
        (av.error.HTTPNotFoundError(1, "404", URL), Kind.NOT_FOUND),
        (av.error.HTTPTooManyRequestsError(1, "429", URL), Kind.UNREACHABLE),
        (av.error.HTTPOtherClientError(1, "461", URL), Kind.NO_MEDIA),
        (av.error.HTTPServerError(1, "503", URL), Kind.NO_MEDIA),
        (av.error.DecoderNotFoundError(1, "decoder", URL), Kind.CODEC),
        (av.error.PatchWelcomeError(1, "patch", URL), Kind.CODEC),
        (av.error.ProtocolNotFoundError(1, "protocol", URL), Kind.FORBIDDEN),
        (av.error.InvalidDataError(1, "data", URL), Kind.NO_MEDIA),
        (av.error.ExitError(1, "exit", URL), Kind.UNREACHABLE),
        (_os_error(errno.ECONNREFUSED), Kind.UNREACHABLE),
        (_os_error(errno.EHOSTUNREACH), Kind.UNREACHABLE),
        (_os_error(errno.ENETUNREACH), Kind.UNREACHABLE),
        (_os_error(errno.ETIMEDOUT), Kind.UNREACHABLE),
        (_os_error(errno.ECONNRESET), Kind.UNREACHABLE),
        (_os_error(errno.EIO), Kind.NO_MEDIA),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_each_failure_to_open_has_its_kind_and_a_text_without_the_address(
    error: av.error.FFmpegError, kind: Kind
) -> None:
    explained = explain_open(error, URL)
    assert explained.kind is kind
    assert str(explained)
    assert "geheim" not in str(explained) + str(explain_read(error))


def test_our_own_clock_decides_what_a_time_out_is() -> None:
    error = av.error.InvalidDataError(1, "Invalid data", URL)
    assert explain_open(error, URL, timed_out=True).kind is Kind.UNREACHABLE


@pytest.mark.parametrize("scheme", ["rtsps", "https"])
def test_an_io_error_of_an_encrypted_connection_is_its_encryption(scheme: str) -> None:
    assert explain_open(_os_error(errno.EIO), f"{scheme}://host/x").kind is Kind.TLS


def test_a_refused_port_is_no_question_of_encryption() -> None:
    assert explain_open(_os_error(errno.ECONNREFUSED), "rtsps://host/x").kind is Kind.UNREACHABLE


def test_the_systems_words_are_kept_for_the_operator() -> None:
    assert os.strerror(errno.EHOSTUNREACH) in str(explain_open(_os_error(errno.EHOSTUNREACH), URL))
