"""OpenVINO, imported in one place, so that it reports nothing to its makers: nobody is told that this program runs."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

T = TypeVar("T")

TELEMETRY: Final = "openvino_telemetry"


def load_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry. Raises `ImportError` where it is not installed."""
    if "openvino" not in sys.modules:
        # it would report each import; without the package it takes an empty one of its own
        sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]  # None keeps a module from being imported
    return importlib.import_module("openvino")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Call `make` once in the life of the process, and again only after it has raised. Thread-safe.

    `functools.cache` alone would let threads that come together make one each.
    """
    lock, made = threading.Lock(), functools.cache(make)

    @functools.wraps(make)
    def get() -> T:
        with lock:
            return made()

    return get


@once
def openvino_core() -> Any:
    """The process's one `openvino.Core`; thread-safe. Raises `ImportError`, or `RuntimeError` where it cannot start."""
    return load_openvino().Core()


def usable_cores() -> int:
    """Those that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_cores(cores: int, precision: str) -> dict[str, Any]:
    """How a network is compiled of which each of `cores` computes another picture. `precision`: `f32` or `bf16`."""
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": cores,
        "INFERENCE_NUM_THREADS": cores,
        # the cores are shared with decoders: a thread bound to a busy one would wait while another idles
        "ENABLE_CPU_PINNING": False,
    }
