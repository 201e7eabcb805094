from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from stream_server.cli.logs import set_up_logging


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_and_origin(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info")
    logging.getLogger("stream_server.x").warning("hello %s", "you")
    line = capsys.readouterr().err
    assert line.endswith("Z WARNING stream_server.x: hello you\n")
    assert line[4] == line[7] == "-"


def fail(text: str) -> None:
    raise OSError(text)


def test_no_line_holds_a_password_not_even_in_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info")
    try:
        fail("cannot open rtsp://admin:hush@camera/1")
    except OSError:
        logging.getLogger("x").exception("failed: %s", "rtsp://admin:hush@camera/1")
    text = capsys.readouterr().err
    assert "hush" not in text
    assert "admin" in text


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning")
    logging.getLogger("x").info("chatter")
    logging.getLogger("aioice.ice").info("more of it")
    assert capsys.readouterr().err == ""
