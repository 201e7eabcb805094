"""The command `verify`: is an evidence zip as it was signed, and by whom?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from analyzer.errors import ConfigError
from analyzer.printable import printable
from stream_server.cli.exit_codes import Exit
from stream_server.events.evidence_zip.findings import Findings
from stream_server.events.evidence_zip.words import utc


def verify(
    file: Annotated[Path, typer.Argument(help="An evidence zip of an event.", show_default=False)],
    *,
    key: Annotated[
        str | None,
        typer.Option(
            help="Who should have signed it: a fingerprint, a public key in base64, or its PEM file.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check whether evidence is as it was signed. Exit code 0: it is, 1: something was changed, 3: no evidence zip."""
    from stream_server.events.evidence_zip.keys import read_fingerprint  # noqa: PLC0415  # `--help` needs no cryptography
    from stream_server.events.evidence_zip.verify import verify as check  # noqa: PLC0415

    expected = None if key is None else read_fingerprint(key)
    try:
        found = check(file, expected)
    except OSError as error:
        raise ConfigError(f"{printable(str(file))}: {error.strerror}") from error
    if as_json:
        row = {"file": file.name, "ok": found.ok, "contents_intact": found.contents_intact, "key_given": bool(key)}
        typer.echo(json.dumps({**row, **asdict(found)}, indent=2))
    else:
        _print(found, file.name, key_given=key is not None)
    raise typer.Exit(Exit.OK if found.ok else Exit.FOUND)


def _print(found: Findings, name: str, *, key_given: bool) -> None:
    out = Console(highlight=False, soft_wrap=True)
    verdict = "[green]INTACT[/green]" if found.ok else "[red]NOT AS IT WAS SIGNED[/red]"
    out.print(f"{verdict}  {escape(printable(name))}")
    if found.event_id is not None:
        said = "event" if found.fingerprint else "says of itself, without a signature that holds: event"
        out.print(f"{said} {found.event_id}, put together {utc(found.made_at)}")
    for one in found.findings:
        out.print(f"  - {escape(one.says)}")
    if found.contents_intact and not found.ok:
        out.print("Every file is as it was signed; only the zip around the files is not.")
    if found.fingerprint is None:
        out.print("No signature holds for it.")
        return
    out.print(f"signed with the key {found.fingerprint}")
    if not key_given:
        out.print(
            "Compare this with the fingerprint that your monitor shows, or give that as --key: anybody can sign with "
            "a key of their own.",
            style="dim",
        )
