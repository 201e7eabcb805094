"""What `deepfake-monitor` can do: its commands and their options. Exit codes: docs/cli.md."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from analyzer.alerting.series import play, read_series
from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import Alert
from analyzer.errors import ConfigError
from stream_server.about import VERSION
from stream_server.cli.exit_codes import Exit
from stream_server.cli.model import add_model_commands
from stream_server.cli.verify import verify
from stream_server.settings.layers import load_settings
from stream_server.settings.schema import Settings

# Only light modules are imported above: `--help` must not wait for torch. Each command imports what it runs.


app = typer.Typer(
    name="deepfake-monitor",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Watches live video for deepfakes: webcams and cameras in, a score for every face out.",
    epilog="REAL means that no sign of manipulation was found, not that there is none.",
)
SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread may keep Python's lock while others wait. Dozens of threads take it for moments between long calls
of C; with Python's own 5 ms each of those moments may wait for the event loop (docs/performance.md)."""

say = Console(stderr=True)  # standard output is for results alone

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file with settings; see docs/settings.md.", show_default=False)
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="Weights file with its card beside it.", show_default="the shipped ones"),
]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", show_default="auto: CUDA where it works")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deepfake-monitor {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    del show_version


def _settings(config: Path | None, **command_line: Any) -> Settings:
    """Settings with what was given on the command line; what was not given (None) leaves the rest alone."""
    return load_settings(config, {key: value for key, value in command_line.items() if value is not None})


def _streams(sources: list[str]) -> dict[str, str] | None:
    streams = {}
    for source in sources:
        name, separator, url = source.partition("=")
        if not (name and separator and url) or "/" in name:
            raise typer.BadParameter("expected ID=URL, such as door=rtsp://camera/stream1", param_hint="--source")
        streams[name] = url
    return streams or None


@app.command()
def serve(  # noqa: PLR0913  # each is an option of the command
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 picks a free one.", show_default="8000")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=URL", help="Watch a camera, HTTP stream or file under this name. Repeatable."),
    ] = None,
    demo: Annotated[bool | None, typer.Option("--demo", help="Add two demo streams: a face and a fake of it.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Keep history, events and evidence here.", show_default="the user's data folder"),
    ] = None,
    config: Config = None,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Watch live video and show it on a dashboard, until Ctrl-C.

    There is no password: listen on 127.0.0.1 (the default) or put a proxy with a login in front.
    """
    server = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = _settings(
        config,
        server=server or None,
        streams=_streams(source or []),
        demo=demo,
        weights=weights,
        device=device,
        storage=None if data_dir is None else {"data_dir": data_dir},
    )
    from stream_server.app import create_app  # noqa: PLC0415  # see the top
    from stream_server.cli.logs import set_up_logging  # noqa: PLC0415
    from stream_server.cli.server import address_of, listen, new_event_loop, run  # noqa: PLC0415
    from stream_server.web.security import is_loopback  # noqa: PLC0415

    if not is_loopback(settings.server.host):
        say.print(
            f"[yellow]warning:[/yellow] {escape(settings.server.host)} is reached from other machines, and there is no "
            "password: put a proxy with a login and TLS in front",
            soft_wrap=True,
        )
    set_up_logging(settings.server.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    application = create_app(settings)
    with listen(settings) as bound, say.status("Starting: loading the network ...") as status:

        def on_ready() -> None:
            status.stop()
            typer.echo(f"deepfake-monitor is watching: {address_of(bound)} (Ctrl-C stops it)")

        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            was_ready = runner.run(run(application, bound, on_ready, settings.server.log_level))
    say.print("stopped" if was_ready else "stopped before it was ready")
    raise typer.Exit(Exit.OK if was_ready else Exit.INTERRUPTED)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="The video: MP4, MOV, AVI, FLV, MKV, WebM.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, the same as POST /predict_video.")] = False,
    config: Config = None,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Judge one video file. Exit code 0: REAL, 1: DEEPFAKE, 3: not a video or no face, 4: no weights."""
    settings = _settings(config, weights=weights, device=device)
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such file")
    from analyzer.faces.detector import YuNetDetector  # noqa: PLC0415  # see the top
    from analyzer.model.net_scorer import make_scorer  # noqa: PLC0415
    from analyzer.video.video import analyze_video  # noqa: PLC0415
    from stream_server.web.card_in_use import aggregate_of, card_in_use  # noqa: PLC0415
    from stream_server.web.video_answer import video_answer  # noqa: PLC0415

    analyzer = settings.analyzer.config()
    scorer = make_scorer(settings.weights, settings.device, analyzer, backend=settings.backend)
    try:
        with _progress_bar(file.name) as progress:
            report = analyze_video(
                file,
                detector=YuNetDetector(analyzer, settings.detector_engine),
                scorer=scorer,
                config=analyzer,
                progress=progress,
                aggregate=aggregate_of(card_in_use(settings.weights, scorer.info)),
            )
    finally:
        scorer.close()
    answer = video_answer(report, scorer.info, file.name)
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        _print_answer(answer.model_dump())
    raise typer.Exit(Exit.FOUND if report.is_deepfake else Exit.OK)


@contextmanager
def _progress_bar(title: str) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=say, transient=True) as progress:
        task = progress.add_task(escape(title), total=1.0)
        yield lambda done: progress.update(task, completed=done)


def _print_answer(answer: dict[str, Any]) -> None:
    prediction, out = answer["prediction"], Console()
    out.print(
        f"[bold]{prediction['label']}[/bold]  fake probability {prediction['raw_score']:.3f}"
        f"  (model {answer['model']['name']}, {answer['model']['aggregate']})"
    )
    if not prediction["is_deepfake"]:
        out.print("REAL means that no sign of manipulation was found, not that there is none.", style="dim")
    table = Table("face", "from", "to", "fake probability", "windows", "not scored")
    for face in answer["faces"]:
        p = face["fake_probability"]
        why = ", ".join(f"{reason}: {count}" for reason, count in face["not_scored"].items())
        shown = "" if p is None else f"{p:.3f}"
        table.add_row(
            str(face["face_id"]),
            f"{face['first_s']:.1f} s",
            f"{face['last_s']:.1f} s",
            shown,
            str(face["windows"]),
            why,
        )
    out.print(table)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A series: `GET /api/streams/ID/series.jsonl`.", show_default=False)],
    *,
    sensitivity: Annotated[
        Sensitivity | None, typer.Option(help="By these rules.", show_default="the stream's own")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play a recorded series of scores again and print its alerts. Exit code 0: none, 1: some, 3: not a series."""
    try:
        series = read_series(file)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    chosen = sensitivity or series.sensitivity
    told = play(series, chosen.rules)
    alerts = [event for event in told if isinstance(event, Alert)]
    start_s = min((one.at_s for one in series.observations), default=0.0)
    if as_json:
        rows = [{**asdict(one), **asdict(one.key)} for one in alerts]
        for row in rows:
            del row["key"]
        typer.echo(json.dumps({"stream_id": series.stream_id, "sensitivity": chosen.value, "alerts": rows}, indent=2))
    else:
        out = Console(highlight=False)
        out.print(f"{escape(series.stream_id)}: {len(series.observations)} observations, {chosen.value}")
        table = Table("face", "after", "alert", "fake probability")
        for one in alerts:
            said = "raised" if one.raised else "over"
            table.add_row(str(one.key.face_id), f"{one.at_s - start_s:.1f} s", said, f"{one.fake_probability:.2f}")
        out.print(table if alerts else "no alert")
    raise typer.Exit(Exit.FOUND if alerts else Exit.OK)


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = None,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Look at everything that the monitor needs on this machine. Exit code 1 when something must be mended."""
    settings = _settings(config, weights=weights, device=device)
    from stream_server.cli.doctor import Check, Found, examine  # noqa: PLC0415  # see the top

    marks = {
        Found.OK: "[green]ok     [/green]",
        Found.WARNING: "[yellow]warning[/yellow]",
        Found.PROBLEM: "[red]problem[/red]",
    }
    checks: list[Check] = []
    out = Console(highlight=False)
    with say.status("Looking ..."):
        for check in examine(settings):
            checks.append(check)
            if not as_json:
                out.print(f"{marks[check.found]} {check.name}: {escape(check.what)}")
                if check.advice:
                    out.print(f"        -> {escape(check.advice)}")
    if as_json:
        rows = [{"name": c.name, "found": c.found, "what": c.what, "advice": c.advice} for c in checks]
        typer.echo(json.dumps({"checks": rows}, indent=2))
    raise typer.Exit(Exit.FOUND if any(check.found is Found.PROBLEM for check in checks) else Exit.OK)


app.command()(verify)
add_model_commands(app)
