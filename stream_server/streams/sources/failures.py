"""From FFmpeg's exceptions to what an operator can act on. Their own text is never used: it holds the password."""

from __future__ import annotations

import errno
from typing import Final
from urllib.parse import urlsplit

from av import error as av_error

from analyzer.errors import SourceError, SourceErrorKind

_KINDS: Final[tuple[tuple[type[Exception], SourceErrorKind, str], ...]] = (
    (av_error.HTTPUnauthorizedError, SourceErrorKind.AUTH, "user name or password refused (401): check the address"),
    (av_error.HTTPForbiddenError, SourceErrorKind.AUTH, "this user may not see the stream (403)"),
    (av_error.HTTPNotFoundError, SourceErrorKind.NOT_FOUND, "there is no such stream (404): check the path"),
    (av_error.HTTPTooManyRequestsError, SourceErrorKind.UNREACHABLE, "too many requests (429)"),
    (av_error.HTTPClientError, SourceErrorKind.NO_MEDIA, "request refused (4xx): try the other transport, tcp or udp"),
    (av_error.HTTPServerError, SourceErrorKind.NO_MEDIA, "the server reports an error of its own (5xx)"),
    (av_error.ConnectionRefusedError, SourceErrorKind.UNREACHABLE, "connection refused: nothing listens on that port"),
    (av_error.DecoderNotFoundError, SourceErrorKind.CODEC, "the video is of a codec that this FFmpeg cannot decode"),
    (av_error.PatchWelcomeError, SourceErrorKind.CODEC, "the video uses a feature that this FFmpeg cannot decode"),
    (av_error.ProtocolNotFoundError, SourceErrorKind.FORBIDDEN, "it leads to a protocol that is not allowed"),
)

_UNREACHABLE: Final = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}
_TLS: Final = {"rtsps", "https"}


def explain_open(
    error: av_error.FFmpegError, url: str, *, timed_out: bool = False, redirects: bool = True, playlists: bool = True
) -> SourceError:
    """Why a connection could not be made.

    `timed_out`: by our own clock, for FFmpeg says "invalid data" then. `redirects`: were those of HTTP followed?
    `playlists`: were those of HLS read?
    """
    for exception, known, message in _KINDS:
        if isinstance(error, exception):
            return SourceError(known, message)
    kind = SourceErrorKind.UNREACHABLE
    if timed_out or isinstance(error, av_error.TimeoutError | av_error.ExitError):
        message = "no answer in time: check host, port and network"
    elif error.errno in _UNREACHABLE:
        message = f"the host cannot be reached: {error.strerror}"
    elif urlsplit(url).scheme in _TLS and isinstance(error, av_error.OSError | av_error.UnknownError):
        kind, message = SourceErrorKind.TLS, "no encrypted connection: is it really TLS that is spoken there?"
    elif isinstance(error, av_error.ConnectionResetError | av_error.BrokenPipeError | av_error.ConnectionAbortedError):
        message = "the other side broke the connection off"
    elif error.errno == errno.EIO and not redirects:
        kind = SourceErrorKind.NO_MEDIA
        message = "no video there, or a redirect, which is not followed for an address from the API: give the final one"
    elif error.errno == errno.EINVAL and not playlists:  # a format that is not on our white-list
        kind = SourceErrorKind.FORBIDDEN
        message = (
            "what answers is no plain video; an HLS playlist, which names further addresses that no network rule could "
            "judge, is opened only from the command line or the settings file"
        )
    else:
        kind, message = SourceErrorKind.NO_MEDIA, f"what answers is no video that can be read: {error.strerror}"
    return SourceError(kind, message)


def explain_read(error: av_error.FFmpegError) -> SourceError:
    """Why a connection that delivered, or was about to, ended."""
    if isinstance(error, av_error.TimeoutError | av_error.ExitError):
        return SourceError(SourceErrorKind.NO_MEDIA, "connected, but nothing comes any more")
    return SourceError(SourceErrorKind.NO_MEDIA, f"the connection broke: {error.strerror}")
