"""Pictures of a run, drawn from its metrics.jsonl: loss, figures on dev, reliability. Nothing without matplotlib."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analyzer.training.reporting.metrics_log import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED: Final = 20
"""So many lines of the log (of 50 steps each) are averaged for the thick line: single batches are noisy."""
NOTE: Final = "no plots: matplotlib is missing (pip install 'deepfake-monitor[train]'); metrics.jsonl has every number"

Line = Mapping[str, Any]


def read_metrics(path: Path) -> list[Line]:
    """The lines of metrics.jsonl; one that was cut short is passed over, and no file is no lines."""
    lines: list[Line] = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")  # one damaged line does not cost the others
    except OSError:
        return []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue  # the last one, when the machine went down while it was written
        if isinstance(value, dict):
            lines.append(value)
    return lines


def draw_plots(folder: Path) -> list[Path]:
    """Draw loss.png, dev.png and calibration.png into the run's folder, those that there is something for.

    Nothing without matplotlib (see `have_matplotlib`). Each file appears whole or not at all.
    """
    if not have_matplotlib():
        return []
    lines = read_metrics(folder / METRICS)
    written = []
    for name, draw in (("loss", _loss), ("dev", _dev), ("calibration", _calibration)):
        path = folder / f"{name}.png"
        if _figure(path, partial(draw, lines=lines)):
            written.append(path)
    return written


def have_matplotlib() -> bool:
    """Whether plots can be drawn; `NOTE` says what to do when not."""
    try:
        import matplotlib  # noqa: F401, PLC0415  # slow, and an optional part of the installation
    except ModuleNotFoundError:
        return False
    return True


def _figure(path: Path, draw: Callable[[Axes], bool]) -> bool:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # see `have_matplotlib`
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    if not draw(figure.add_subplot()):
        return False
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=110)
    part.replace(path)
    return True


def _loss(axes: Axes, lines: Sequence[Line]) -> bool:
    """Loss of both stages over the share of the stage."""
    drawn = False
    for stage, name in (("A", "decision"), ("A", "seam"), ("B", "loss")):
        points = [(line["share"], line[name]) for line in lines if line.get("stage") == stage and name in line]
        if points:
            shares, values = zip(*points, strict=True)
            (thin,) = axes.plot(shares, values, alpha=0.25, linewidth=1)
            axes.plot(shares, _running_mean(values), color=thin.get_color(), label=f"stage {stage}: {name}")
            drawn = True
    if drawn:
        axes.set(xlabel="share of the stage", ylabel="binary cross-entropy", title="Loss on training samples")
        axes.legend()
    return drawn


def _running_mean(values: Sequence[float]) -> list[float]:
    means = []
    for end in range(1, len(values) + 1):
        recent = values[max(0, end - SMOOTHED) : end]
        means.append(sum(recent) / len(recent))
    return means


def _dev(axes: Axes, lines: Sequence[Line]) -> bool:
    """AUCs on dev over the faces that stage A has learned from."""
    glances = [line for line in lines if line.get("stage") == "dev"]
    names = sorted({name for line in glances for name in line if name.startswith(("auc.", "pseudo."))})
    for name in names:
        faces, values = zip(*((line.get("faces", 0), line[name]) for line in glances if name in line), strict=True)
        whole = name.startswith("auc.") and name.count(".") == 1
        axes.plot(faces, values, marker="o", markersize=3, label=name, linewidth=2.5 if whole else 1)
    if not names:
        return False
    axes.axhline(0.5, color="grey", linewidth=1, linestyle=":")
    axes.set(xlabel="faces learned from", ylabel="AUC", ylim=(-0.02, 1.02), title="Single faces of dev during stage A")
    axes.legend(fontsize=7, ncols=2)
    return True


def _calibration(axes: Axes, lines: Sequence[Line]) -> bool:
    """Share of fakes over the probability that was given, windows of dev."""
    found = [line["reliability"] for line in lines if line.get("stage") == "C" and line.get("reliability")]
    if not found:
        return False
    given, true, count = zip(*found[-1], strict=True)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    axes.plot(given, true, marker="o")
    for x, y, n in zip(given, true, count, strict=True):
        axes.annotate(f"{n:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=8)
    on = "dev, which it was calibrated on," if _calibrated_on_dev(lines) else "dev"
    axes.set(
        xlabel="fake_probability", ylabel="share of fakes", xlim=(0, 1), ylim=(-0.02, 1.02),
        title=f"Reliability on windows of {on} (number of windows beside each point)",
    )  # fmt: skip
    return True


def _calibrated_on_dev(lines: Sequence[Line]) -> bool:
    """Whether the part for calibration held nothing real, so that dev had to do (`train`)."""
    parts = {line["part"]: line.get("real") for line in lines if line.get("stage") == "faces" and "part" in line}
    done = any(name.startswith("calibration.") for line in lines if line.get("stage") == "C" for name in line)
    return done and parts.get("calibration") == 0
