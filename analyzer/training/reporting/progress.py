"""Progress of long work: a bar on a terminal, a line every so often elsewhere (a log file, CI, `nohup`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY_S: Final = 30.0
"""Time between two lines where there is no terminal, in seconds."""

Item = TypeVar("Item")


class StageProgress:
    """Progress of one piece of work on standard error, as a context manager. `quiet` shows nothing."""

    def __init__(
        self,
        text: str,
        *,
        quiet: bool = False,
        endless: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`text` names the work. `endless`: its length is not known, so only the elapsed time is shown."""
        self._text, self._endless, self._clock = text, endless, clock
        self._console = console or Console(stderr=True, quiet=quiet, markup=False, highlight=False, soft_wrap=True)
        self._lines = not quiet and not self._console.is_terminal
        known = (TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
        columns = (TextColumn(text), BarColumn(), *((TimeElapsedColumn(),) if endless else known))
        self._bar = Progress(*columns, console=self._console, disable=quiet or self._lines)
        self._bar.add_task(text, total=None if endless else 1.0)
        self._started_s = self._written_s = 0.0
        self._first_share: float | None = None

    def __enter__(self) -> Self:
        self._started_s = self._written_s = self._clock()
        if self._lines and self._endless:
            self._console.print(f"{self._text} ...")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._lines and kind is None:
            self._console.print(f"{self._text}: done in {_duration(self._clock() - self._started_s)}")

    def update(self, share: float) -> None:
        """`share` of the work is done, 0 to 1."""
        self._bar.update(TaskID(0), completed=share)
        if self._first_share is None:
            self._first_share = share
        now_s = self._clock()
        if self._lines and now_s - self._written_s >= LINE_EVERY_S:
            self._written_s = now_s
            self._console.print(f"{self._text}: {share:.0%}{self._remaining(share, now_s)}")

    def _remaining(self, share: float, now_s: float) -> str:
        """Work that was resumed starts at a share above 0."""
        done = share - (self._first_share or 0.0)
        return f", about {_duration((now_s - self._started_s) * (1 - share) / done)} left" if done > 0 else ""


def tracked(items: Iterable[Item], total: int, text: str, *, quiet: bool = False) -> Iterator[Item]:
    """Pass `items` through, `total` of them, and show how many are done; nothing where there are none."""
    with StageProgress(text, quiet=quiet or not total) as progress:
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(done / total)


def _duration(seconds: float) -> str:
    """For people: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
