"""The commands about the network: `train`, `evaluate`, `bench`; what they run stands in analyzer/ and benchmarks/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analyzer.errors import ConfigError
from stream_server.cli_train import train
from stream_server.exit_codes import Exit

Manifest = Annotated[
    Path,
    typer.Argument(
        help="Tab-separated list with a header: `file` (relative to the list), `kind` (real or fake), `method`; "
        "optionally `split`, `family`, `group`.",
        show_default=False,
    ),
]
Split = Annotated[str | None, typer.Option(help="Only rows of this split.", show_default="all")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def evaluate(
    manifest: Manifest,
    *,
    split: Split = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write everything as JSON, each file too.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights file with its card beside it.", show_default="the shipped ones")
    ] = None,
    device: Device = "auto",
) -> None:
    """Measure what weights are worth on your own videos: AUC, false and true positive rates, by family and method.

    A file that cannot be read or shows no face is counted and named. Exit code 3 when not one file could be scored.
    """
    from analyzer.evaluation.evaluate import run_evaluation  # noqa: PLC0415
    from analyzer.faces.detector import YuNetDetector  # noqa: PLC0415  # see above
    from analyzer.model.torch_scorer import make_torch_scorer  # noqa: PLC0415
    from stream_server.card_in_use import aggregate_of, card_in_use, threshold_of  # noqa: PLC0415

    scorer = make_torch_scorer(weights, device)
    try:
        card = card_in_use(weights, scorer.info)
        report = run_evaluation(
            manifest,
            scorer=scorer,
            detector=YuNetDetector(),
            split=split,
            json_out=json_out,
            threshold=threshold_of(card),
            aggregate=aggregate_of(card),
        )
    finally:
        scorer.close()
    raise typer.Exit(Exit.OK if report.scored else Exit.BAD_INPUT)


def bench(context: typer.Context) -> None:
    """Measure the cost of a score, how many streams this machine holds, and memory. `bench --help` lists options."""
    try:
        from benchmarks.main import run  # noqa: PLC0415  # heavy, and not in the installed package
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is missing: the benchmarks come with the source; run this in a checkout"
        ) from error
    raise typer.Exit(run(context.args))


def add_model_commands(app: typer.Typer) -> None:
    """Put the commands of this module into the program."""
    app.command()(train)
    app.command()(evaluate)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(
        bench
    )
