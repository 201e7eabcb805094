"""Log lines: one each, with time, level and origin, and without any password."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from stream_server.streams.sources.redaction import redact

# Chatty at `info`: they log each packet's or request's progress.
_QUIET: Final = ("aioice", "aiortc", "alembic", "libav", "websockets", "asyncio")
# What notifications are sent with. Also their warnings hold paths of addresses, in which services keep tokens, and what
# a server answered (a header that is none). What failed is said by `notify`, in words of its own, as are Apprise's.
_SILENT: Final = (
    "charset_normalizer",
    "MARKDOWN",
    "oauthlib",
    "paho",
    "requests",
    "requests_oauthlib",
    "slixmpp",
    "urllib3",
)


class RedactingFormatter(logging.Formatter):
    """UTC, seconds with milliseconds; passwords in addresses are masked, also in tracebacks."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Mask after everything is put together, so that nothing slips through an argument or an exception."""
        return redact(super().format(record))


def set_up_logging(level: str) -> None:
    """Send everything from `level` (a name) up to standard error. Called once, by the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
