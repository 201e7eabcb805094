"""The plots of the HTML report as SVG, one for a light and one for a dark page. Needs matplotlib (extra `train`)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from analyzer.errors import ConfigError
from analyzer.evaluation.report.numerals import interval, short
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.outcomes import Scored
from analyzer.evaluation.results.quality import Quality
from analyzer.evaluation.results.rows import FIXED, rows_of
from analyzer.evaluation.results.section_figures import RobustnessCell
from analyzer.printable import printable
from analyzer.training.reporting.metrics import ECE_BINS, binomial_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one page; backgrounds stay clear."""

    ink: str
    muted: str
    grid: str
    colors: tuple[str, ...]
    """Told apart by people who are colour-blind (Okabe and Ito, 2008), in this page's light."""


MOST_POINTS: Final = 1000
"""Of one line in a timeline: more than its pixels, and a film of two hours does not fill the report."""

LIGHT: Final = Theme(
    "#1d2430", "#5b6675", "#d5dae1", ("#0060a8", "#c24a00", "#007a5a", "#9c3d78", "#8a6d00", "#444c58")
)
DARK: Final = Theme("#e8ecf2", "#a3adba", "#3a4350", ("#6cb8f0", "#ff9a5c", "#3fcf9f", "#e79ac6", "#e8cd4a", "#b8c0cc"))


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture in both colours, and what it shows for those who cannot see it."""

    light: bytes
    dark: bytes
    """SVG."""
    says: str


def require_matplotlib() -> None:
    """Raises `ConfigError` that says what to install."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  # heavy, and not every installation has it
    except ImportError as error:
        raise ConfigError(
            "the HTML report needs matplotlib for its plots: pip install 'deepfake-monitor[train]'"
        ) from error


def _drawn(width: float, height: float, draw: Callable[[Figure, Theme], None], says: str) -> Plot:
    import matplotlib as mpl  # noqa: PLC0415  # see above
    from matplotlib.figure import Figure  # noqa: PLC0415

    pictures = []
    for theme in (LIGHT, DARK):
        with mpl.rc_context(
            {
                "svg.hashsalt": "deepfake-monitor",  # the same report is the same file
                "font.size": 10,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "grid.color": theme.grid,
                "grid.linewidth": 0.6,
                "axes.edgecolor": theme.muted,
                "axes.labelcolor": theme.ink,
                "text.color": theme.ink,
                "xtick.color": theme.muted,
                "ytick.color": theme.muted,
                "legend.frameon": False,
                "legend.fontsize": 9,
                "text.parse_math": False,  # a `$` in a name is a `$`
            }
        ):
            figure = Figure(figsize=(width, height), layout="constrained")
            draw(figure, theme)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        pictures.append(buffer.getvalue())
    return Plot(pictures[0], pictures[1], says)


def roc(report: EvaluationReport) -> Plot | None:
    """True against false positives over all thresholds, each row of real fakes against every real file."""
    reals = [one.fake_probability for one in report.scored if not one.row.fake]
    fakes = [one for one in report.scored if one.row.fake]
    if not reals or not fakes:
        return None
    named = {row.name: row.quality for row in report.rows}
    curves: list[tuple[str, Quality, list[float]]] = [("pooled", report.video, [one.fake_probability for one in fakes])]
    for name in FIXED:
        found = named.get(name)
        if found is not None and found.n_fake:
            curves.append((name, found, [one.fake_probability for one in fakes if name in rows_of(one.row)]))

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle=":")
        for index, (name, found, scores) in enumerate(curves):
            fpr, tpr = _steps(reals, scores)
            label = f"{name}: {short(found.auc)}{interval(found.auc_ci)}, {found.n_fake} fake, {found.n_real} real"
            color = theme.ink if index == 0 else theme.colors[(index - 1) % len(theme.colors)]
            axes.plot(fpr, tpr, color=color, linewidth=2.2 if index == 0 else 1.2, label=label)
        _operating_point(axes, report.video, theme)
        axes.set(xlabel="real files called fake", ylabel="fakes found", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_box_aspect(1)
        figure.legend(loc="outside lower center", ncols=1)

    says = f"ROC curves; AUC of all files {short(report.video.auc)}{interval(report.video.auc_ci)}"
    return _drawn(5.0, 5.2 + 0.19 * len(curves), draw, says)


def _steps(reals: Sequence[float], fakes: Sequence[float]) -> tuple[list[float], list[float]]:
    edges = np.unique([*reals, *fakes])[::-1]
    fpr, tpr = (1 - np.searchsorted(np.sort(of_kind), edges) / len(of_kind) for of_kind in (reals, fakes))
    return [0.0, *fpr.tolist()], [0.0, *tpr.tolist()]


def _operating_point(axes: Axes, video: Quality, theme: Theme) -> None:
    fpr, tpr = video.figures.fpr, video.figures.tpr
    if fpr.value is None or tpr.value is None:
        return
    axes.errorbar(
        [fpr.value],
        [tpr.value],
        xerr=_ends(fpr.value, fpr.interval),
        yerr=_ends(tpr.value, tpr.interval),
        fmt="o",
        color=theme.colors[1],
        capsize=3,
        zorder=5,
        label="at the card's threshold, 95 %",
    )


def _ends(value: float, ends: tuple[float, float] | None) -> list[list[float]] | None:
    return None if ends is None else [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]]


def reliability(report: EvaluationReport) -> Plot | None:
    """How often a score came true, in ten bins, with the number of files in each."""
    if not report.scored:
        return None
    scores = np.array([one.fake_probability for one in report.scored])
    fake = np.array([one.row.fake for one in report.scored])
    bins = np.clip((scores * ECE_BINS).astype(int), 0, ECE_BINS - 1)

    def draw(figure: Figure, theme: Theme) -> None:
        top, low = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        top.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle=":")
        for index in np.unique(bins):
            inside = bins == index
            count, found = int(inside.sum()), int(fake[inside].sum())
            share = found / count
            top.errorbar(
                [scores[inside].mean()], [share], yerr=_ends(share, binomial_interval(share, count)), fmt="o",
                color=theme.colors[0], capsize=3,
            )  # fmt: skip
            top.annotate(str(count), (scores[inside].mean(), share), (5, 4), textcoords="offset points", fontsize=8)
        top.set(ylabel="share that is fake (95 % over files)", ylim=(-0.03, 1.03))
        edges = np.linspace(0, 1, ECE_BINS + 1)
        low.hist([scores[~fake], scores[fake]], edges, color=[theme.colors[0], theme.colors[1]], label=["real", "fake"])
        low.axvline(report.threshold, color=theme.muted, linewidth=1, linestyle="--")
        low.set(xlabel="fake probability", ylabel="files", xlim=(0, 1))
        low.legend(ncols=2, loc="upper center")

    ece = report.video.figures.ece
    says = (
        f"Reliability diagram; calibration error {short(ece.value)}{interval(ece.interval)} over {len(scores)} files; "
        "bars are exact 95 % intervals of a share of so many files, as if each were a source"
    )
    return _drawn(5.0, 5.0, draw, says)


def robustness(cells: Sequence[RobustnessCell]) -> Plot | None:
    """AUC and false positives along each axis of harm; the weights and the threshold stay."""
    axes_of: dict[str, list[RobustnessCell]] = {}
    for cell in cells:
        axes_of.setdefault(cell.axis, []).append(cell)
    untouched = [cell for cell in cells if cell.place == 0]
    curves = {name: found for name, found in axes_of.items() if any(cell.place > 0 for cell in found)}
    if not curves:
        return None
    rows = -(-len(curves) // 2)

    def draw(figure: Figure, theme: Theme) -> None:
        grid = figure.subplots(rows, 2, squeeze=False, sharey=True)
        for axes in list(grid.flat)[len(curves) :]:
            axes.set_visible(False)
        for axes, (name, found) in zip(grid.flat, curves.items(), strict=False):
            points = sorted([*(c for c in found if c.place > 0), *untouched[:1]], key=lambda cell: cell.place)
            _curve(axes, [cell.auc for cell in points], [cell.auc_ci for cell in points], theme, 0, "AUC")
            fpr_ends = [cell.fpr_ci for cell in points]
            _curve(axes, [cell.fpr for cell in points], fpr_ends, theme, 1, "FPR at the threshold")
            axes.set_xticks(range(len(points)), [printable(cell.level) for cell in points])
            axes.set_title(f"{printable(name)}, n {_count(points)}", fontsize=10)
            axes.set_ylim(-0.03, 1.03)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)

    return _drawn(8.6, 2.1 * rows + 0.4, draw, f"AUC and false positive rate over {len(cells)} ways of delivery")


def _count(points: Sequence[RobustnessCell]) -> str:
    counts = sorted({cell.n_real + cell.n_fake for cell in points})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


def _curve(
    axes: Axes,
    values: Sequence[float | None],
    ends: Sequence[tuple[float, float] | None],
    theme: Theme,
    color: int,
    label: str,
) -> None:
    places = [i for i, value in enumerate(values) if value is not None]
    shown = [value for value in values if value is not None]
    if not places:
        return
    axes.plot(places, shown, marker="os"[color], markersize=4, color=theme.colors[color], label=label)
    for place in places:
        pair = ends[place]
        if pair is not None:
            axes.plot([place, place], pair, color=theme.colors[color], linewidth=1, alpha=0.6)


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST_POINTS` of a line: of each stretch the lowest and the highest, which is what could be seen."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = -(-2 * len(points) // MOST_POINTS)
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        kept += sorted({min(stretch, key=itemgetter(1)), max(stretch, key=itemgetter(1))})
    return kept


def timeline(one: Scored, threshold: float) -> Plot | None:
    """The scores of a file's windows in time, a line for each face."""
    if not one.timeline:
        return None
    faces: dict[int, list[tuple[float, float]]] = {}
    for point in one.timeline:
        faces.setdefault(point.face_id, []).append((point.end_s, point.fake_probability))

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.subplots()
        axes.axhline(threshold, color=theme.muted, linewidth=1, linestyle="--")
        for index, points in enumerate(map(_thinned, faces.values())):
            color = theme.colors[index % len(theme.colors)]
            marker = "o" if len(points) < 3 else None
            axes.plot([p[0] for p in points], [p[1] for p in points], color=color, linewidth=1.4, marker=marker)
        axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1], xlabel="seconds")

    highest = max(point.fake_probability for point in one.timeline)
    windows, people = len(one.timeline), len(faces)
    says = f"Score over time: {windows} window(s) of {people} face(s), highest {highest:.2f}, threshold {threshold:g}"
    return _drawn(4.2, 1.5, draw, says)
