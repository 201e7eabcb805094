from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from analyzer.training.reporting import progress
from analyzer.training.reporting.progress import LINE_EVERY_S, StageProgress, tracked


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(stage: StageProgress, clock: Clock, shares: list[float]) -> list[str]:
    with stage:
        for share in shares:
            clock.now_s += LINE_EVERY_S / 2
            stage.update(share)
    assert isinstance(stage._console.file, io.StringIO)
    return stage._console.file.getvalue().splitlines()


def test_without_a_terminal_a_line_says_how_far_the_work_is_and_how_long_it_takes(clock: Clock) -> None:
    stage = StageProgress("cutting", console=Console(file=io.StringIO()), clock=clock)
    assert shown(stage, clock, [0.0, 0.25, 0.5, 0.75]) == [
        "cutting: 25%, about 2 min left",
        "cutting: 75%, about 20 s left",
        "cutting: done in 60 s",
    ]


def test_resumed_work_does_not_count_what_was_done_before(clock: Clock) -> None:
    stage = StageProgress("A", console=Console(file=io.StringIO()), clock=clock)
    assert shown(stage, clock, [0.5, 0.75])[0] == "A: 75%, about 30 s left"


def test_work_of_unknown_length_is_named_at_its_start_and_its_end(clock: Clock) -> None:
    stage = StageProgress("C", endless=True, console=Console(file=io.StringIO()), clock=clock)
    assert shown(stage, clock, []) == ["C ...", "C: done in 0 s"]


def test_work_that_failed_is_not_called_done(clock: Clock) -> None:
    stage = StageProgress("A", console=Console(file=io.StringIO()), clock=clock)
    with pytest.raises(RuntimeError), stage:
        raise RuntimeError
    assert isinstance(stage._console.file, io.StringIO)
    assert stage._console.file.getvalue() == ""


def test_quiet_work_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with StageProgress("A", quiet=True) as stage:
        stage.update(0.5)
    assert list(tracked(iter("abc"), 3, "comparing", quiet=True)) == ["a", "b", "c"]
    assert list(tracked(iter(""), 0, "comparing")) == []
    assert capsys.readouterr() == ("", "")


def test_items_are_passed_through_and_counted(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)

    def items() -> Iterator[int]:
        yield from range(4)

    assert list(tracked(items(), 4, "comparing")) == [0, 1, 2, 3]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines[:4]] == [f"comparing: {share}%" for share in (25, 50, 75, 100)]
    assert len(lines) == 5
