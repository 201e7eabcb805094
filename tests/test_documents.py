"""What README.md and its sisters promise is there: files, make targets, commands, addresses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute
from typer.main import get_command
from typer.testing import CliRunner

from stream_server.app import create_app
from stream_server.cli.commands import app
from stream_server.settings.schema import Settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "weights").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)
README = (ROOT / "README.md").read_text()


def commands(start: str) -> list[str]:
    """The lines of the README's shell blocks that call `start`."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(start)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_are_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_the_architecture_is_short_and_decisions_are_numbered() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().split()) <= 1200
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in commands("make ")} == {"run", "test"}
    assert {"run", "test", "setup"} <= set(targets)


@pytest.mark.parametrize("line", commands(".venv/bin/deepfake-monitor"))
def test_commands_of_the_readme_exist_with_their_options(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    known = get_command(app).commands[name]  # type: ignore[attr-defined]  # it is a group
    options = {option for parameter in known.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= options
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_addresses_of_the_readme_are_answered() -> None:
    paths = {re.sub(r"^\w+://[^/]+", "", url) for url in re.findall(r"\w+://127\.0\.0\.1:8000/\w[^\s`]*", README)}
    monitor = create_app(Settings())
    plain = [route.path for route in monitor.routes if isinstance(route, Route | WebSocketRoute)]
    patterns = [re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$") for path in [*plain, *monitor.openapi()["paths"]]]
    unknown = [path for path in paths if not any(pattern.match(path) for pattern in patterns)]
    assert paths
    assert unknown == []
