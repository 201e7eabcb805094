"""The commands about the network: `train`, `evaluate`, `bench`; what they run stands in analyzer/ and benchmarks/."""

from __future__ import annotations

import typer

from analyzer.errors import ConfigError
from stream_server.cli.evaluate import evaluate
from stream_server.cli.train import train


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
