"""The card of weights that a run has just made: where they come from, and the command that makes them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from analyzer.model.card import Measured, WeightsCard
from analyzer.training.manifest import Row, count_kinds
from analyzer.training.options import TrainOptions

LIMIT = "Trained for one folder of files; how it does elsewhere was not measured."


def make_card(
    options: TrainOptions, rows: Sequence[Row], start: WeightsCard | None, measured: Mapping[str, Measured]
) -> WeightsCard:
    """`rows`: what was learned from. `start`: of the weights that were gone on from.

    Figures of `start` are not taken over: another calibration, or more learning, makes them untrue.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    if start is not None and set(options.stages) == {"C"}:
        description = f"Calibrated anew from {_named(start)}. {start.description}"
        return replace(
            start, name=options.name, version=options.version, created=created, description=description,
            measured=dict(measured), command=command_of(options),
        )  # fmt: skip
    reals, fakes = count_kinds(rows)
    description = f"Trained on {reals} real and {fakes} fake files and pseudo-fakes of the real ones."
    trained_on, licence = sorted({row.method for row in rows}), "not stated"
    limits: tuple[str, ...] = (LIMIT,)
    if start is not None:
        description += f" Started from {_named(start)}."
        trained_on = [*start.trained_on, *(name for name in trained_on if name not in start.trained_on)]
        limits = tuple(dict.fromkeys([*start.limits, LIMIT]))
        licence = f"of the weights that it started from: {start.licence}; of what was added: not stated"
    return WeightsCard(
        name=options.name,
        version=options.version,
        created=created,
        description=description,
        trained_on=tuple(trained_on),
        licence=licence,
        measured=dict(measured),
        limits=limits,
        seeds=(options.seed,),
        command=command_of(options),
    )


def _named(card: WeightsCard) -> str:
    return f"{card.name} {card.version} (sha256 {card.sha256})"


def command_of(options: TrainOptions) -> str:
    """A command line that says everything that changes the weights; paths by their names alone."""
    default = TrainOptions(options.manifest, options.output)
    parts = [f"deepfake-monitor train {shlex.quote(options.manifest.name)} --output FOLDER"]

    def add(name: str, value: object, usual: object) -> None:
        if value != usual:
            parts.append(f"--{name} {f'{value:.12g}' if isinstance(value, float) else shlex.quote(str(value))}")

    add("init", options.init.name if options.init else None, None)
    if options.init:
        add("init-stages", len(options.init_stages), len(default.init_stages))
    add("start", options.start.name if options.start else None, None)
    add("stages", options.stages, default.stages)
    if options.steps is None:
        add("minutes", options.minutes, None)
    add("steps", options.steps, None)
    add("seed", options.seed, default.seed)
    add("split", options.split, None)
    if options.placed:
        parts.append("--place FILE")
    if not options.join:
        parts.append("--no-join")
    for name in (
        "freeze",
        "size",
        "precision",
        "rate_backbone",
        "rate_head",
        "batch",
        "window_share",
        "painter_share",
        "start_share",
    ):
        add(name.replace("_", "-"), getattr(options, name), getattr(default, name))
    add("target-fpr", options.rule.windows, default.rule.windows)
    add("target-clip-fpr", options.rule.clips, default.rule.clips)
    add("real-fakes", options.mixture.real_fakes, default.mixture.real_fakes)
    left_out = sorted(set(default.mixture.families) - set(options.mixture.families))
    return " ".join([*parts, *(f"--leave-out {family}" for family in left_out)])
