from __future__ import annotations

import multiprocessing
import os
import pickle
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.errors import ConfigError, ScorerError, WeightsError
from analyzer.evaluation.sections.workers import MakeTools, Task, Tools, tools_for, work_through
from analyzer.faces.detector import YuNetDetector
from analyzer.scorer import ScorerInfo
from tests.fakes import FakeScorer, ScriptedDetector

Answer = tuple[int, int, int]


def make() -> Tools:
    return Tools(FakeScorer(), ScriptedDetector([]))


@dataclass(frozen=True)
class Number:
    """Answers with its number, its process, and how many tasks these tools did before."""

    value: int

    def __call__(self, tools: Tools) -> Answer:
        assert isinstance(tools.scorer, FakeScorer)
        tools.scorer.evicted += 1
        return self.value, os.getpid(), tools.scorer.evicted - 1


@dataclass(frozen=True)
class Fails:
    def __call__(self, tools: Tools) -> Answer:
        raise ConfigError("no room")


@dataclass(frozen=True)
class Dies:
    def __call__(self, tools: Tools) -> Answer:
        os._exit(9)


def test_one_job_works_here_and_in_order() -> None:
    done = list(work_through([Number(i) for i in range(5)], make))
    assert done == [(i, (i, os.getpid(), i)) for i in range(5)]


def test_several_jobs_share_the_work_and_each_has_its_own_tools() -> None:
    done = dict(work_through([Number(i) for i in range(20)], make, jobs=2))
    assert [done[i][0] for i in range(20)] == list(range(20))
    processes = {pid for _, pid, _ in done.values()}
    assert os.getpid() not in processes
    for pid in processes:
        counts = sorted(count for _, one, count in done.values() if one == pid)
        assert counts == list(range(len(counts)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_raises_ends_the_work(jobs: int) -> None:
    tasks: list[Task[Answer]] = [Number(0), Fails(), Number(1)]
    with pytest.raises(ConfigError, match="no room"):
        list(work_through(tasks, make, jobs))


def make_nothing() -> Tools:
    raise WeightsError("a worker got other weights")


def make_a_mistake() -> Tools:
    raise ZeroDivisionError("a mistake")


@pytest.mark.parametrize(
    ("make_tools", "error"),
    [(make_nothing, WeightsError), (make_a_mistake, ZeroDivisionError)],
    ids=["told", "mistake"],
)
def test_tools_that_cannot_be_made_in_a_process_are_told_as_they_are(
    make_tools: MakeTools, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"a worker got other weights|a mistake"):
        list(work_through([Number(0)], make_tools, jobs=2))


def test_a_process_that_dies_is_named() -> None:
    tasks: list[Task[Answer]] = [Dies(), Number(0)]
    with pytest.raises(ScorerError, match="fewer --jobs"):
        list(work_through(tasks, make, jobs=2))


def test_work_that_is_closed_early_leaves_no_process() -> None:
    with closing(work_through([Number(i) for i in range(1000)], make, jobs=2)) as done:
        next(done)
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_no_tasks_are_no_work() -> None:
    assert list(work_through([], make)) == []
    assert list(work_through([], make, jobs=2)) == []


def test_tools_for_other_processes_divide_the_cores() -> None:
    cores = len(os.sched_getaffinity(0))
    for jobs in (1, 2, 1000):
        make = pickle.loads(pickle.dumps(tools_for(Path("some.safetensors"), "cpu", jobs)))
        assert make.args == (Path("some.safetensors"), "cpu", max(1, cores // jobs), None)


def test_tools_are_the_serving_codes_own() -> None:
    tools = tools_for(None, "cpu", jobs=64)()
    tools_for(None, "cpu", 64, tools.scorer.info)().scorer.close()
    assert isinstance(tools.detector, YuNetDetector)
    assert tools.scorer.info.device == "cpu"
    tools.scorer.close()


def test_a_scorer_that_is_not_the_one_expected_is_refused() -> None:
    other = ScorerInfo("cuda:0 (some GPU)", "torch", "v0", "0" * 64)
    with pytest.raises(
        WeightsError, match=r"worker got weights \w+ by [\w ]+ on cpu, expected weights 0{12} by .* GPU"
    ):
        tools_for(None, "cpu", 64, other)()
