"""Many tasks over one or several processes, each with its own detector and scorer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Protocol, TypeVar

from analyzer.config import AnalyzerConfig
from analyzer.errors import ScorerError, WeightsError
from analyzer.evaluation.results.outcomes import scorer_key
from analyzer.faces.detector import FaceDetector, YuNetDetector
from analyzer.scorer import Scorer, ScorerInfo

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_AHEAD: Final = 2
"""Tasks that wait for each process: it is never idle, and Ctrl-C has little to throw away."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a task is done with; belongs to one process."""

    scorer: Scorer
    detector: FaceDetector


MakeTools = Callable[[], Tools]
"""Called once in each process; what is called must be importable by name (a function, a `partial` of one)."""


class Task(Protocol[T_co]):
    """A piece of work; a value that can be pickled."""

    def __call__(self, tools: Tools) -> T_co: ...


def make_tools(weights: Path | None, device: str, torch_threads: int = 0, expected: ScorerInfo | None = None) -> Tools:
    """The serving code's own detector and scorer. `WeightsError` when the scorer is not `expected`."""
    from analyzer.model.net_scorer import make_scorer  # noqa: PLC0415  # torch, where it is needed

    # one video at a time needs far fewer windows than a monitor, and there may be many processes
    config = AnalyzerConfig(torch_threads=torch_threads, max_windows=64)
    scorer = make_scorer(weights, device, config, both_paths=True)
    if expected is not None and scorer_key(scorer.info) != scorer_key(expected):
        raise WeightsError(
            f"a worker got {_named(scorer.info)}, expected {_named(expected)}: figures must not be mixed"
        )
    return Tools(scorer, YuNetDetector(config))


def _named(info: ScorerInfo) -> str:
    sha256 = (info.weights_sha256 or "none")[:12]
    return f"weights {sha256} by {info.backend} on {info.device}" + (f" ({info.note})" if info.note else "")


def tools_for(weights: Path | None, device: str, jobs: int, expected: ScorerInfo | None = None) -> MakeTools:
    """Makes tools for each of `jobs` processes; the cores are divided between them.

    `expected`: the scorer whose figures theirs are put with. The file may have been written anew since, or a device may
    have no room for one more.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return partial(make_tools, weights, device, max(1, cores // jobs), expected)


def work_through(tasks: Sequence[Task[T]], make: MakeTools, jobs: int = 1) -> Generator[tuple[int, T]]:
    """Do every task, yield its place and result as it is done.

    With one job everything happens in this process and in order. Raises what `make` or a task raises, after the tasks
    begun have ended; `ScorerError` when a process dies, e.g. for want of memory. Closing it (`contextlib.closing`, for
    Ctrl-C) waits for the tasks begun and leaves no process behind.
    """
    if jobs <= 1:
        tools = make()
        for place, task in enumerate(tasks):
            yield place, task(tools)
        return
    # A forked process would inherit locks of torch's threads that nobody ever opens.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(make,))
    try:
        yield from _spread(tasks, pool, jobs)
    except BrokenProcessPool as error:
        raise ScorerError("a worker process died, perhaps for want of memory: try fewer --jobs") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _spread(tasks: Sequence[Task[T]], pool: ProcessPoolExecutor, jobs: int) -> Iterator[tuple[int, T]]:
    waiting: dict[Future[T], int] = {}
    left = iter(enumerate(tasks))
    while True:
        while len(waiting) < jobs * _AHEAD and (following := next(left, None)) is not None:
            waiting[pool.submit(_do, following[1])] = following[0]
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield waiting.pop(future), future.result()


_own: list[Tools | Exception] = []
"""Of a worker process: one entry, from its start."""


def _begin(make: MakeTools) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    try:
        _own.append(make())
    except Exception as error:  # noqa: BLE001  # a process's root: raised here, the parent would hear of a death alone
        _own.append(error)


def _do(task: Task[T]) -> T:
    tools = _own[0]
    if isinstance(tools, Exception):
        raise tools
    return task(tools)
