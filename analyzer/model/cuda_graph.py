"""The frame path on CUDA as one recorded graph: one launch instead of some 300, each of which costs the host 5 us."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from analyzer.model.network import FrameFeatures

logger = logging.getLogger(__name__)

FramePathCall = Callable[[Tensor], FrameFeatures]

WARM_UPS: Final = 3
"""Runs before the recording: cuDNN and cuBLAS choose and allocate in them."""
ALIKE: Final = 1e-3
"""A recorded logit may be off by this much from the same function called as usual; they run the same kernels."""


def recorded(function: FramePathCall, example: Tensor) -> FramePathCall:
    """`function` as a CUDA graph for inputs like `example` (N, 3, H, W); `function` itself where that does not work.

    "Does not work" is said in the log: a driver that refuses to record, too little memory, or another result. Call it,
    and what it gives, on one thread, in `torch.inference_mode`. The graph keeps its memory until what is returned here
    is dropped.
    """
    try:
        graph = _FrameGraph(function, example)
        other = torch.rand_like(example)  # what was recorded fits what it was recorded with in any case
        off = float((graph(other).logit - function(other).logit).abs().max())
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        logger.warning("no CUDA graph on %s, each kernel is launched by itself: %s", example.device, reason)
        return function
    if not off <= ALIKE:
        logger.warning("the CUDA graph on %s is off by %.3g in a logit and not used", example.device, off)
        return function
    return graph


class _FrameGraph:
    def __init__(self, function: FramePathCall, example: Tensor) -> None:
        with torch.inference_mode(), torch.cuda.device(example.device):
            self._given = example.clone(memory_format=torch.channels_last)
            before = torch.cuda.current_stream()
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            side.wait_stream(before)
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    function(self._given)
            before.wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            # other threads (an upload's, a second scorer's) may use CUDA meanwhile
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._made = function(self._given)

    def __call__(self, faces: Tensor) -> FrameFeatures:
        """`faces`: shaped as the example was. What it returns is the caller's: the next run does not change it."""
        self._given.copy_(faces)
        self._graph.replay()
        return FrameFeatures(*(one.clone() for one in self._made))
