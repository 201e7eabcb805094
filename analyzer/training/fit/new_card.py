"""The card of weights that a run has just made: where they come from, and the command that makes them again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from analyzer.model.card import Measured, WeightsCard
from analyzer.training.data.manifest import Row, count_kinds
from analyzer.training.fit.options import TrainOptions

LIMIT: Final = "Trained for one folder of files; how it does elsewhere was not measured."
CALIBRATED_ON_DEV: Final = "Calibrated on the very files that its figures of dev are of, so they are too good."
CALIBRATED_ON_PICTURES: Final = "Calibrated on pictures alone: no moving face was looked at."
_TIME: Final = re.compile(r" --(minutes|steps) \S+")


@dataclass(frozen=True, slots=True)
class Origin:
    """What weights were made of."""

    rows: Sequence[Row]
    """What was learned from; none where old weights were only calibrated."""
    start: WeightsCard | None = None
    """Of the weights that were gone on from."""
    commands: Sequence[str] = ()
    """That took part, in order; none: what `options` say."""
    limits: Sequence[str] = ()
    """What else is to be known of the run."""


def make_card(options: TrainOptions, origin: Origin, measured: Mapping[str, Measured]) -> WeightsCard:
    """The card of what was made.

    Figures of the start are not taken over: another calibration, or more learning, makes them untrue.
    """
    start, command = origin.start, "; then ".join(origin.commands or (command_of(options),))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    if start is not None and not origin.rows:
        description = f"Calibrated anew from {_named(start)}. {start.description}"
        return replace(
            start, name=options.name, version=options.version, created=created, description=description,
            measured=dict(measured), coverage="", command=command, limits=_limits([*_lasting(start), *origin.limits]),
        )  # fmt: skip
    reals, fakes = count_kinds(origin.rows)
    description = f"Trained on {reals} real and {fakes} fake files and pseudo-fakes of the real ones."
    trained_on, licence = sorted({row.method for row in origin.rows}), "not stated"
    limits: list[str] = []
    if start is not None:
        description += f" Started from {_named(start)}."
        trained_on = [*start.trained_on, *(name for name in trained_on if name not in start.trained_on)]
        limits += _lasting(start)
        licence = f"of the weights that it started from: {start.licence}; of what was added: not stated"
    return WeightsCard(
        name=options.name,
        version=options.version,
        created=created,
        description=description,
        trained_on=tuple(trained_on),
        licence=licence,
        measured=dict(measured),
        limits=_limits([*limits, LIMIT, *origin.limits]),
        seeds=(options.seed,),
        command=command,
    )


def _lasting(card: WeightsCard) -> list[str]:
    """Its limits without those of its own calibration."""
    return [limit for limit in card.limits if limit not in {CALIBRATED_ON_DEV, CALIBRATED_ON_PICTURES}]


def _limits(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _named(card: WeightsCard) -> str:
    return f"{card.name} {card.version} (sha256 {card.sha256})"


def same_but_for_time(first: str, second: str) -> bool:
    """Whether two commands differ at most in how long they ran."""
    return _TIME.sub("", first) == _TIME.sub("", second)


def command_of(options: TrainOptions) -> str:
    """A command line that says everything that changes the weights; paths by their names alone."""
    default = TrainOptions(options.manifest, options.output)
    parts = [f"deepfake-monitor train {shlex.quote(options.manifest.name)} --output FOLDER"]

    def add(name: str, value: object, usual: object) -> None:
        if value != usual:
            parts.append(f"--{name} {f'{value:.12g}' if isinstance(value, float) else shlex.quote(str(value))}")

    parts += [f"--add {shlex.quote(path.name)}" for path in options.add]
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
        "precision",
        "rate_backbone",
        "rate_head",
        "batch",
        "window_share",
        "painter_share",
        "start_share",
    ):
        add(name.replace("_", "-"), getattr(options, name), getattr(default, name))
    if options.sizes != default.sizes:
        parts += [f"--size {size}" for size in options.sizes]
    add("target-fpr", options.rule.windows, default.rule.windows)
    add("target-clip-fpr", options.rule.clips, default.rule.clips)
    add("real-fakes", options.mixture.real_fakes, default.mixture.real_fakes)
    left_out = sorted(set(default.mixture.families) - set(options.mixture.families))
    return " ".join([*parts, *(f"--leave-out {family}" for family in left_out)])
