"""The command `evaluate`; analyzer/evaluation does the work."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stream_server.cli.exit_codes import Exit

_SECTIONS = "What to measure besides"
_SECONDS = 6.0


def evaluate(  # noqa: PLR0913  # one parameter per option, as typer wants it
    manifest: Annotated[
        Path,
        typer.Argument(
            help="Tab-separated list with a header: `file` (relative to the list), `kind` (real or fake), `method`; "
            "optionally `split`, `family`, `group`.",
            show_default=False,
        ),
    ],
    *,
    split: Annotated[
        str | None, typer.Option(help="Only rows of this split, or of several (val,val2).", show_default="all")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write everything as JSON, each file too.")] = None,
    html_out: Annotated[
        Path | None,
        typer.Option("--html", help="Write one HTML file with plots and the worst files' faces; opens offline."),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write the measured figures into the card beside the weights.")
    ] = False,
    work: Annotated[
        Path | None,
        typer.Option(help="Keep each file's result here; the same command goes on where it was cut off."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights file with its card beside it.", show_default="the shipped ones")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Other weights to compare with: every file is scored by both.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    pseudo: Annotated[
        bool, typer.Option("--pseudo", help="Pseudo-fakes of the real videos, per window.", rich_help_panel=_SECTIONS)
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Every video as viewers get it, in many ways.", rich_help_panel=_SECTIONS),
    ] = False,
    cells: Annotated[
        str | None,
        typer.Option(help="Only these deliveries, by comma.", show_default="all", rich_help_panel=_SECTIONS),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=3, help="So much of each video is delivered.", rich_help_panel=_SECTIONS)
    ] = _SECONDS,
    alarms: Annotated[
        bool, typer.Option("--alarms", help="Alerts that the live rules would raise.", rich_help_panel=_SECTIONS)
    ] = False,
    loop: Annotated[
        float | None,
        typer.Option(
            min=1, max=3600, help="Repeat scores of shorter videos up to so many seconds.", rich_help_panel=_SECTIONS
        ),
    ] = None,
    pointing: Annotated[
        bool,
        typer.Option("--pointing", help="Does the map point at what was pasted?", rich_help_panel=_SECTIONS),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Faces cut out of this manifest, as `train --cache` keeps them.",
            show_default="in --work",
            rich_help_panel=_SECTIONS,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Processes for deliveries and alarms.", rich_help_panel=_SECTIONS)
    ] = 1,
) -> None:
    """Measure what weights are worth on your own videos: how well fakes are told from real, and at what cost.

    Prints a table of five sections (docs/evaluation.md). A file that cannot be read or shows no face is counted and
    named. Ctrl-C stops it; with --work the same command goes on. Exit code 3 when not one file could be scored.
    """
    from analyzer.errors import WeightsError  # noqa: PLC0415  # `--help` must not wait for torch
    from analyzer.evaluation.evaluate import Judge, Outputs, Wanted, run_evaluation  # noqa: PLC0415
    from analyzer.evaluation.sections.cells import chosen_cells  # noqa: PLC0415
    from analyzer.evaluation.sections.robustness import Grid  # noqa: PLC0415
    from analyzer.faces.detector import YuNetDetector  # noqa: PLC0415
    from analyzer.model.card import default_weights_dir, find_weights  # noqa: PLC0415
    from analyzer.model.net_scorer import make_scorer  # noqa: PLC0415
    from stream_server.web.card_in_use import aggregate_of, card_in_use, threshold_of  # noqa: PLC0415

    _belongs("--cells", cells is not None, "--robustness", robustness)
    _belongs("--seconds", seconds != _SECONDS, "--robustness", robustness)
    _belongs("--loop", loop is not None, "--alarms", alarms)
    _belongs("--cache", cache is not None, "--pseudo or --pointing", pseudo or pointing)
    asked = {
        "--weights": weights and weights.name, "--against": against and against.name, "--split": split,
        "--pseudo": pseudo, "--robustness": robustness,
        "--cells": cells, "--seconds": seconds if seconds != _SECONDS else None, "--alarms": alarms, "--loop": loop,
        "--pointing": pointing, "--card": card,
    }  # fmt: skip
    wanted = Wanted(
        cost=True, pseudo=pseudo, grid=Grid(chosen_cells(cells), seconds, jobs) if robustness else None, alarms=alarms,
        loop_s=loop, pointing=pointing, faces=cache, jobs=jobs, command=_command(manifest, asked),
    )  # fmt: skip
    path = weights or find_weights(default_weights_dir())
    if card and path is None:
        raise WeightsError("there are no trained weights, so there is no card to write into")
    with ExitStack() as stack:
        detector = YuNetDetector()

        def judge_by(file: Path | None) -> Judge:
            scorer = make_scorer(file, device, both_paths=True)
            stack.callback(scorer.close)
            used = card_in_use(file, scorer.info)
            named = _plain(scorer.info.device)
            return Judge(scorer, detector, used, threshold_of(used), aggregate_of(used), file, named)

        judge = judge_by(weights)
        if against is not None:
            wanted = replace(wanted, against=judge_by(against))
        outputs = Outputs(json_out, html_out, path if card else None, work)
        report = run_evaluation(manifest, judge, split=split, outputs=outputs, wanted=wanted)
    raise typer.Exit(Exit.OK if report.scored else Exit.BAD_INPUT)


def _plain(device: str) -> str:
    """`cuda:0 (NVIDIA ...)` as it is asked for."""
    return device.partition(" ")[0]


def _belongs(option: str, given: bool, section: str, asked: bool) -> None:  # two pairs, read in order
    """An option that would change nothing is a mistake: whoever gave it believes that the section was measured."""
    if given and not asked:
        raise typer.BadParameter(f"says something only together with {section}", param_hint=option)


def _command(manifest: Path, asked: Mapping[str, object]) -> str:
    """What a person types to get these figures again; no folder of this machine stands in it."""
    parts = ["deepfake-monitor", "evaluate", manifest.name]
    for option, value in asked.items():
        if value is True:
            parts.append(option)
        elif value is not None and value is not False:
            parts += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(parts)
