"""Pictures of one run's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from analyzer.errors import ConfigError

STAGES: Final = ("frame_wait", "look", "crop_wait", "score", "delivery")


def check(folder: Path) -> None:
    """Raises `ConfigError` when nothing can be drawn into `folder`, before anything is measured."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  # heavy, and not every installation has it
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'deepfake-monitor[train]'") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written to: {error.strerror}") from error


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """What can be drawn of what was measured, as PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # see above

    drawn = []

    def save(name: str, figure: Figure) -> None:
        figure.tight_layout()
        figure.savefig(folder / f"{name}.png", dpi=120)
        drawn.append(folder / f"{name}.png")

    if "throughput" in results:
        figure = Figure((6, 3.6))
        axes = figure.add_subplot()
        by_batch = results["throughput"]["by_batch"]
        axes.plot(range(len(by_batch)), list(by_batch.values()), marker="o")
        axes.set_xticks(range(len(by_batch)), list(by_batch))
        axes.set_ylim(bottom=0)
        axes.set(xlabel="faces together", ylabel="faces/s", title=f"Network alone, {results['throughput']['backend']}")
        axes.grid(alpha=0.3)
        save("throughput", figure)
    held = {kind: one for kind, one in results.get("streams", {}).items() if one["attempts"]}
    if held:
        figure = Figure((6.5, 3.6))
        axes = figure.add_subplot()
        for kind, one in held.items():
            seen = [each for each in one["attempts"] if each["scores_per_s_min"] > 0]
            axes.plot([each["streams"] for each in seen], [each["p95_ms"] for each in seen], marker="o", label=kind)
            for each in seen:
                axes.annotate(f"{each['scores_per_s_min']:.1f}/s", (each["streams"], each["p95_ms"]), fontsize=7)
        axes.axhline(500, color="grey", linestyle="--", linewidth=1)
        axes.set(xlabel="streams", ylabel="p95 latency, ms", title="Latency and scores/s of the slowest stream")
        axes.set_ylim(bottom=0)
        axes.legend()
        save("streams", figure)
        figure = Figure((6.5, 2.0 + 0.5 * len(held)))
        axes = figure.add_subplot()
        for row, one in enumerate(held.values()):
            best = next((each for each in one["attempts"] if each["streams"] == one["held"]), one["attempts"][0])
            left = 0.0
            for number, stage in enumerate(STAGES):
                p50 = best["stages_ms"].get(stage, (0.0, 0.0))[0]
                axes.barh(row, p50, left=left, color=f"C{number}", label=stage if row == 0 else None)
                left += p50
        axes.set_yticks(range(len(held)), [f"{kind} x {one['held']}" for kind, one in held.items()])
        axes.set(xlabel="ms, median of each stage", title="Where a score's time goes (medians do not add up)")
        axes.legend(ncols=len(STAGES), fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.32), frameon=False)
        save("stages", figure)
    return drawn
