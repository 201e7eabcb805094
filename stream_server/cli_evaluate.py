"""The command `evaluate`; analyzer/evaluation does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_server.exit_codes import Exit


def evaluate(  # one parameter per option, as typer wants it
    manifest: Annotated[
        Path,
        typer.Argument(
            help="Tab-separated list with a header: `file` (relative to the list), `kind` (real or fake), `method`; "
            "optionally `split`, `family`, `group`.",
            show_default=False,
        ),
    ],
    *,
    split: Annotated[str | None, typer.Option(help="Only rows of this split.", show_default="all")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write everything as JSON, each file too.")] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Keep each file's result here; the same command goes on where it was cut off."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights file with its card beside it.", show_default="the shipped ones")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Measure what weights are worth on your own videos: how well fakes are told from real, at what cost.

    Prints a table of five sections (docs/evaluation.md explains it). A file that cannot be read or shows no face is
    counted and named. Exit code 3 when not one file could be scored.
    """
    from analyzer.evaluation.evaluate import Judge, Outputs, run_evaluation  # noqa: PLC0415  # heavy
    from analyzer.faces.detector import YuNetDetector  # noqa: PLC0415
    from analyzer.model.torch_scorer import make_torch_scorer  # noqa: PLC0415
    from stream_server.card_in_use import aggregate_of, card_in_use, threshold_of  # noqa: PLC0415

    scorer = make_torch_scorer(weights, device)
    try:
        used = card_in_use(weights, scorer.info)
        report = run_evaluation(
            manifest,
            Judge(scorer, YuNetDetector(), used, threshold_of(used), aggregate_of(used)),
            split=split,
            outputs=Outputs(json=json_out, work=work),
        )
    finally:
        scorer.close()
    raise typer.Exit(Exit.OK if report.scored else Exit.BAD_INPUT)
