"""A prepared database of each kind, as the tests of the store have it; the program's own log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from stream_server.cli.logs import set_up_logging
from tests.stream_server.store.conftest import database, postgres_url, server, url

__all__ = ["database", "debug_log", "postgres_url", "server", "url"]


@pytest.fixture
def debug_log(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Everything is logged to standard error as the command line does it, at its loudest."""
    del capfd  # before us: it then has our standard error
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logging("debug")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
