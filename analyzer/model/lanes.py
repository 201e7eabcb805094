"""Several CPU cores for one batch: each takes whole faces of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class Lanes:
    """Runs parts of a batch beside each other, every part on one thread of torch. Owned by one thread, the first lane.

    Torch's own way, all threads in every layer, makes them wait for each other some 200 times per face. Where a core
    is shared with a decoder or another program, each of these waits can last a time slice: a push of 60 ms was seen to
    take 1.5 s. Here they wait once per batch.
    """

    def __init__(self, count: int) -> None:
        """Make `count` lanes, at least 1; the calling thread is one of them, and is left with one thread of torch."""
        self.count = count
        torch.set_num_threads(1)
        # the count is kept per thread, so each sets its own
        self._others = (
            ThreadPoolExecutor(count - 1, "scorer-lane", lambda: torch.set_num_threads(1)) if count > 1 else None
        )

    def map(self, function: Callable[[Sequence[T]], R], items: Sequence[T]) -> list[R]:
        """Call `function` on contiguous parts of `items`, at least one item each; the results in their order.

        Raises what a part raised, after all of them have ended.
        """
        parts = min(self.count, len(items))
        bounds = [round(part * len(items) / parts) for part in range(parts + 1)]
        first, *rest = [items[start:end] for start, end in pairwise(bounds)]
        if self._others is None or not rest:
            return [function(items)]
        waiting = [self._others.submit(function, part) for part in rest]
        try:
            own = function(first)
        finally:
            for future in waiting:
                future.exception()
        return [own, *[future.result() for future in waiting]]

    def close(self) -> None:
        """Join the other lanes."""
        if self._others is not None:
            self._others.shutdown()
