from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
import torch

from analyzer.model.lanes import Lanes


@pytest.fixture(autouse=True)
def _torch_threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes(3)
    yield made
    made.close()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 32])
def test_every_item_comes_back_in_order_in_parts_of_nearly_one_size(lanes: Lanes, count: int) -> None:
    parts = lanes.map(list, range(count))
    assert [item for part in parts for item in part] == list(range(count))
    assert len(parts) == min(3, count)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_parts_run_beside_each_other_each_on_one_thread_of_torch(lanes: Lanes) -> None:
    together = threading.Barrier(3, timeout=30)

    def part(_: Sequence[int]) -> tuple[str, int]:
        together.wait()
        return threading.current_thread().name, torch.get_num_threads()

    told = lanes.map(part, [0, 1, 2])
    assert len({name for name, _ in told}) == 3
    assert {threads for _, threads in told} == {1}


def test_what_one_part_raises_is_raised_when_all_have_ended(lanes: Lanes) -> None:
    ended = []

    def part(items: Sequence[int]) -> None:
        if 0 in items:
            raise RuntimeError("the first")
        ended.append(items)

    with pytest.raises(RuntimeError, match="the first"):
        lanes.map(part, range(6))
    assert len(ended) == 2
    with pytest.raises(RuntimeError, match="the first"):
        lanes.map(part, [1, 2, 0])


def test_closing_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    lanes = Lanes(2)
    lanes.map(list, [1, 2])
    assert set(threading.enumerate()) != before
    lanes.close()
    assert set(threading.enumerate()) == before
