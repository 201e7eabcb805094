"""`deepfake-monitor bench`: what a score costs, how many streams one process holds, and where the time goes."""

from __future__ import annotations

import argparse
import functools
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from analyzer.errors import ConfigError
from benchmarks import alerts, crops, memory, parity, parts, plots, score_cost, soak, streams, throughput, webrtc
from benchmarks.requirement import Requirement
from benchmarks.streams import FACE_RATE, LIMITS_MS, WANTED_RATE, Attempt, StreamsHeld
from tests.cameras import missing

STREAM_PARTS: Final = {"webrtc": "webrtc_480p15", "rtsp": "rtsp_720p25", "rtsp_1080": "rtsp_1080p25"}
PARTS: Final = ("score_cost", "parity", "throughput", "ceilings", "crops", *STREAM_PARTS, "memory", "upload")
SOAK_STREAMS: Final = 8
LONG: Final = ("soak", "alerts")
"""Only when asked for."""
QUICK: Final = ("score_cost", "parity", "throughput", "ceilings", "rtsp", "upload")

out = Console(highlight=False)


def run(arguments: Sequence[str]) -> int:
    """Measure what was asked for and print it. Raises `ConfigError` when a part cannot run.

    Returns the exit code: 1 where a figure is not as it is required to be, else 0.
    """
    options = _options(arguments)
    requirements = [Requirement.parse(text) for text in options.require]
    wanted = options.only or (QUICK if options.quick else PARTS)
    if {"rtsp", "rtsp_1080", "memory", "soak"} & set(wanted) and (why := missing()):
        raise ConfigError(f"there is no RTSP server for the cameras: {why}; or leave them out: --only score_cost")
    if options.plots is not None:
        plots.check(options.plots)
    results: dict[str, Any] = {"machine": _machine(), "command": " ".join(["deepfake-monitor bench", *arguments])}
    for part in (*PARTS, *LONG):
        if part in wanted:
            out.print(f"\n[bold]{part}[/bold]")
            _MEASURES[part](results, options)
            _save(results, options.json)  # after each part: a run that is broken off leaves what it has
    _whole_and_parts(results)
    _save(results, options.json)
    if options.plots is not None:
        for path in plots.draw(results, options.plots):
            out.print(f"drawn: {path}")
    missed = [why for one in requirements if (why := one.missed(results)) is not None]
    for why in missed:
        out.print(f"[bold red]too bad:[/bold red] {why}")
    return 1 if missed else 0


def _score_cost(results: dict[str, Any], options: argparse.Namespace) -> None:
    measured = {}
    for backend in ("torch", "auto"):
        cost = score_cost.measure(quick=options.quick, backend=backend)
        measured[cost.backend] = asdict(cost)
        if not cost.window_path:  # what weights that listen to it would cost
            both = score_cost.measure(quick=options.quick, backend=backend, both_paths=True)
            measured[f"{both.backend}, window path too"] = asdict(both)
    results["score_cost"] = {**measured[cost.backend], "backends": measured}
    _table("one thread", {name: {k: v for k, v in one.items() if k != "backend"} for name, one in measured.items()})


def _parity(results: dict[str, Any], options: argparse.Namespace) -> None:
    results["parity"] = asdict(parity.measure(100 if options.quick else 1000))
    _table("against torch float32", {"": results["parity"]})


def _throughput(results: dict[str, Any], options: argparse.Namespace) -> None:
    measured = asdict(throughput.measure(quick=options.quick))
    by_batch = measured.pop("by_batch")
    results["throughput"] = {**measured, "by_batch": {str(size): per_s for size, per_s in by_batch.items()}}
    _table("all cores, faces/s", {"": {**{f"network, {size} together": v for size, v in by_batch.items()}, **measured}})


def _ceilings(results: dict[str, Any], options: argparse.Namespace) -> None:
    found = parts.ceilings(FACE_RATE, psutil.cpu_count() or 1, quick=options.quick)
    results["ceilings"] = {name: asdict(one) for name, one in found.items()}
    _table("each step alone", results["ceilings"])


def _crops(results: dict[str, Any], options: argparse.Namespace) -> None:
    out.print(
        f"held: {crops.SCORED:.0%} of the crops of each number of streams scored, p95 within {crops.LIMIT_MS:g} ms"
    )
    found = crops.measure(
        functools.partial(score_cost.make, "auto"),
        2.0 if options.quick else 6.0,
        lambda one: out.print(
            f"{one.streams:5d} streams: {one.crops_per_s:6.0f} crops/s, {one.scored_share:4.0%} scored"
            f"  p50 {one.p50_ms:4.0f} ms  p95 {one.p95_ms:4.0f} ms"
        ),
    )
    results["crops"] = asdict(found)
    out.print(f"{found.device}, {found.backend}: {found.held} held")
    if not found.device.startswith("cuda"):
        out.print("on a GPU: not measured, there is none here")


def _streams(part: str, results: dict[str, Any], options: argparse.Namespace) -> None:
    seconds, most = (6.0, 4) if options.quick else (15.0, options.most)
    out.print(f"held: each stream gets {WANTED_RATE:g} of {FACE_RATE:g} scores/s, p95 within {LIMITS_MS} ms")
    if part == "webrtc":
        found = webrtc.webrtc_streams(seconds, most, _say_attempt)
    else:
        size = parts.SIZES[STREAM_PARTS[part].removeprefix("rtsp_")]
        found = streams.rtsp_streams(seconds, most, _say_attempt, size)
    results.setdefault("streams", {})[found.kind] = {
        **asdict(found),
        "held_by_limit_ms": {f"{limit:g}": held for limit, held in found.held_by_limit_ms.items()},
        "most_tried": most,
    }
    _say_held(found, most)


def _memory(results: dict[str, Any], options: argparse.Namespace) -> None:
    measured = memory.measure(20 if options.quick else 200, lambda text: out.print(f"  {text}"))
    results["memory"] = {**asdict(measured), "per_stream_mb": measured.per_stream_mb}
    _table("resident memory", {"": results["memory"]})


def _soak(results: dict[str, Any], options: argparse.Namespace) -> None:
    measured = asdict(
        soak.measure(min(options.most, SOAK_STREAMS), options.minutes, lambda text: out.print(f"  {text}"))
    )
    results["soak"] = measured
    _table("cameras, watched", {"": {name: value for name, value in measured.items() if name != "readings_mb"}})


def _alerts(results: dict[str, Any], options: argparse.Namespace) -> None:
    found = alerts.measure(1.0 if options.quick else 24.0)
    results["alerts"] = asdict(found)
    out.print(
        f"{found.stream_hours:g} simulated stream-hours; caught: within a minute; s: median of all (docs/alerts.md)"
    )
    for title, named in (
        ("sensitivity", list(found.sensitivities.items())),
        *((f"{target} in 8 h", [(one.rule, one) for one in rules]) for target, rules in found.compared.items()),
    ):
        table = Table(title, "line", "false alarms in 8 h", *(f"{kind}: caught, s" for kind in alerts.FAKES))
        for name, one in named:
            low, high = one.interval
            table.add_row(
                name,
                f"{one.line:.2f}",
                f"{one.false_alarms_per_8_h:.2f} [{low:.2f}-{high:.2f}]",
                *(f"{fake.caught_60_s:.1%}, {fake.median_s:.1f}" for fake in one.fakes.values()),
            )
        out.print(table)


def _upload(results: dict[str, Any], options: argparse.Namespace) -> None:
    results["upload"] = {"s_per_minute": parts.upload_s_per_minute(quick=options.quick)}
    _table("one face, 640 x 480 at 25/s", {"": results["upload"]})


Measure = Callable[[dict[str, Any], argparse.Namespace], None]

_MEASURES: Final[dict[str, Measure]] = {
    "score_cost": _score_cost,
    "parity": _parity,
    "throughput": _throughput,
    "ceilings": _ceilings,
    "crops": _crops,
    **{part: functools.partial(_streams, part) for part in STREAM_PARTS},
    "memory": _memory,
    "upload": _upload,
    "soak": _soak,
    "alerts": _alerts,
}
"""Each puts its figures into the results."""


def _whole_and_parts(results: dict[str, Any]) -> None:
    """What a camera of 720p costs the monitor, over the sum of what its steps cost alone, from the same run."""
    held, alone = results.get("streams", {}).get("rtsp_720p25"), results.get("ceilings", {}).get("720p25")
    best = next((one for one in (held or {}).get("attempts", []) if one["streams"] == held["held"]), None)
    if best is None or alone is None:
        return
    fps = parts.SIZES["720p25"][2]
    parts_ms = parts.Ceiling(**alone).stream_ms(fps * best["decoded_share_min"], best["scores_per_s_mean"])
    whole_ms = 1e3 * best["monitor_cores"] / best["streams"]
    results["pipeline"] = {
        "streams": best["streams"],
        "whole_ms_per_stream_s": whole_ms,
        "parts_ms_per_stream_s": parts_ms,
        "over_sum_of_parts": whole_ms / parts_ms,
    }
    out.print("\n[bold]pipeline[/bold]")
    _table("rtsp_720p25", {"": results["pipeline"]})


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="deepfake-monitor bench",
        description="Measure the cost of a score against naive recompute, parity of the backends, throughput, the "
        "ceilings of each step alone, the streams' worth of crops that the scorer takes, the streams one process holds "
        "with their latency by stage, memory, and uploads. Everything runs on this machine, cameras and peers "
        "included; compare figures of one run only.",
    )
    parser.add_argument("--quick", action="store_true", help="short looks and 4 streams: about two minutes")
    parser.add_argument("--only", nargs="+", choices=(*PARTS, *LONG), metavar="PART", help=", ".join((*PARTS, *LONG)))
    parser.add_argument("--most", type=int, default=32, help="never try more streams than this (32)")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long the part soak lasts (60)")
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="KEY>=NUMBER",
        help="exit with 1 unless the figure KEY of the JSON is so, or <= so; may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything as JSON, too")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw PNG plots into this folder, too")
    return parser.parse_args(arguments)


def _machine() -> dict[str, Any]:
    return {
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _save(results: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps(results, indent=2, allow_nan=True) + "\n")


def _say_attempt(attempt: Attempt) -> None:
    out.print(
        f"{attempt.streams:5d} streams: slowest {attempt.scores_per_s_min:4.1f} scores/s"
        f"  decoded {attempt.decoded_share_min:4.0%}  p50 {attempt.p50_ms:4.0f} ms  p95 {attempt.p95_ms:4.0f} ms"
        f"  monitor {attempt.monitor_cores:.2f} cores, others {attempt.other_cores:.2f}  {attempt.rss_mb:.0f} MB"
    )


def _say_held(found: StreamsHeld, most: int) -> None:
    for limit_ms, held in found.held_by_limit_ms.items():
        out.print(f"{found.kind}: {held} held within {limit_ms:g} ms" + (" (the most tried)" if held == most else ""))
    if found.best is not None:
        stages = {name: f"{one.p50:.1f} / {one.p95:.1f}" for name, one in found.best.stages_ms.items()}
        _table(f"{found.held} streams, p50 / p95 in ms", {"": stages})


def _table(title: str, columns: dict[str, dict[str, Any]]) -> None:
    """Figures line by line, a column for each thing measured."""
    table = Table("figure", *(f"{title} {name}".strip() if name == "" else name for name in columns))
    for figure in next(iter(columns.values())):
        table.add_row(figure, *(_said(column[figure]) for column in columns.values()))
    out.print(table)


def _said(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
