"""`deepfake-monitor bench`: what a score costs, how many streams one process holds, and what memory that takes."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from analyzer.errors import ConfigError
from benchmarks import memory, score_cost, streams, webrtc
from benchmarks.streams import Attempt, StreamsHeld
from tests.cameras import missing

PARTS: Final = ("score_cost", "webrtc", "rtsp", "memory")

out = Console(highlight=False)


def run(arguments: Sequence[str]) -> int:
    """Measure what was asked for and print it; returns the exit code. Raises `ConfigError` when a part cannot run."""
    options = _options(arguments)
    results: dict[str, Any] = {"machine": _machine(), "command": " ".join(["deepfake-monitor bench", *arguments])}
    seconds, most = (6.0, 4) if options.quick else (15.0, options.most)
    if {"rtsp", "memory"} & set(options.only) and (why := missing()):
        raise ConfigError(f"there is no RTSP server for the cameras: {why}; or leave them out: --only score_cost")
    if "score_cost" in options.only:
        results["score_cost"] = _json(score_cost.measure(quick=options.quick))
        _print_score_cost(results["score_cost"])
    held: dict[str, Callable[[], StreamsHeld]] = {
        "webrtc": lambda: webrtc.webrtc_streams(seconds, options.limit_ms, most, _say_attempt),
        "rtsp": lambda: streams.rtsp_streams(seconds, options.limit_ms, most, _say_attempt, (1280, 720, 25)),
    }
    for part, search in held.items():
        if part in options.only:
            out.print(
                f"\n[bold]Streams held, {part}[/bold] at {streams.FACE_RATE:g} faces/s, p95 < {options.limit_ms:g} ms"
            )
            result = search()
            results.setdefault("streams", {})[result.kind] = _json(result)
            out.print(
                f"{result.kind}: {result.held} held" + (" (the most that was tried)" if result.held == most else "")
            )
    if "memory" in options.only:
        out.print("\n[bold]Memory[/bold]")
        measured = memory.measure(20 if options.quick else 200, lambda text: out.print(f"  {text}"))
        results["memory"] = {**_json(measured), "per_stream_mb": measured.per_stream_mb}
        _print_table("memory", results["memory"])
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2, allow_nan=True) + "\n")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="deepfake-monitor bench",
        description="Measure the cost of a score against naive recompute, the streams one process holds, and memory. "
        "Everything runs on this machine, cameras and peers included; compare figures of one run only.",
    )
    parser.add_argument("--quick", action="store_true", help="short looks and at most 4 streams: about two minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--limit-ms", type=float, default=500.0, help="latency limit at the 95th percentile (500)")
    parser.add_argument("--most", type=int, default=32, help="never try more streams than this (32)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything as JSON, too")
    return parser.parse_args(arguments)


def _machine() -> dict[str, Any]:
    return {
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _json(value: Any) -> dict[str, Any]:
    assert is_dataclass(value)
    assert not isinstance(value, type)
    return asdict(value)


def _say_attempt(attempt: Attempt) -> None:
    out.print(
        f"{attempt.streams:5d} streams: {'held    ' if attempt.held else 'not held'}"
        f" slowest {attempt.scores_per_s_min:4.1f} scores/s  p50 {attempt.p50_ms:4.0f} ms  p95 {attempt.p95_ms:4.0f} ms"
        f"  monitor {attempt.monitor_cores:.2f} cores, others {attempt.other_cores:.2f}  {attempt.rss_mb:.0f} MB"
    )


def _print_score_cost(measured: dict[str, Any]) -> None:
    _print_table("score_cost", measured)


def _print_table(title: str, values: dict[str, Any]) -> None:
    table = Table("figure", title, show_header=True)
    for name, value in values.items():
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    out.print(table)
