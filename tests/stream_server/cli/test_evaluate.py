from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from analyzer.model.card import WeightsCard, read_card
from analyzer.model.weights import save_weights
from stream_server.cli import __main__ as cli
from stream_server.cli.evaluate import _command
from stream_server.cli.exit_codes import Exit
from tests.nets import lively_net
from tests.videos import moving_face, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that were never trained, one video, and a list in which it is real, fake and missing."""
    folder = tmp_path_factory.mktemp("folder")
    save_weights(
        lively_net(), WeightsCard("test", "0.1", "2026-01-01", "", ("nothing",), "none"), folder / "w.safetensors"
    )
    write_video(folder / "face.mp4", moving_face(40), fps=15)
    (folder / "fake.mp4").write_bytes((folder / "face.mp4").read_bytes())
    rows = ["file\tkind\tmethod", "face.mp4\treal\tnone", "fake.mp4\tfake\troop", "gone.mp4\tfake\troop"]
    (folder / "list.tsv").write_text("\n".join(rows))
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["deepfake-monitor", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_one_command_writes_table_json_html_and_card(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path
) -> None:
    weights = folder / "w.safetensors"
    outputs = ("--json", tmp_path / "o.json", "--html", tmp_path / "o.html", "--work", tmp_path / "work", "--card")
    options = ("--weights", weights, "--device", "cpu", *outputs)
    assert run(monkeypatch, folder / "list.tsv", *options) == Exit.OK
    shown = capsys.readouterr()
    assert "A QUALITY" in shown.out
    assert "gone.mp4" in shown.out
    assert "scoring" not in shown.out  # the bar is for the screen
    stored = json.loads((tmp_path / "o.json").read_text())
    assert stored["video"]["auc"] == 0.5  # the same pictures
    assert stored["cost"]["frame_mmacs"] < 400
    assert stored["cost"]["streaming_difference"] < 1e-3
    assert stored["baselines"]["frame path only"]["auc"] == 0.5
    page = (tmp_path / "o.html").read_text()
    assert "data:image/jpeg" in page
    assert "data:image/svg+xml" in page
    card = read_card(weights).measured
    assert card["list.video.auc"].value == 0.5
    assert "evaluate list.tsv --weights w.safetensors --card" in str(card["list.video.auc"].note)


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--html", "/nowhere/at/all.html", Exit.BAD_INPUT),
        ("--cells", "crf3000", Exit.BAD_INPUT),
        ("--weights", "/nowhere/w.safetensors", Exit.CANNOT_WORK),
        ("--jobs", "0", Exit.USAGE),
        ("--loop", "7200", Exit.USAGE),
        ("--loop", "60", Exit.USAGE),
        ("--seconds", "9", Exit.USAGE),
        ("--cache", "faces", Exit.USAGE),
    ],
)
def test_what_cannot_be_done_is_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    option: str,
    value: str,
    code: Exit,
) -> None:
    more = () if option == "--weights" else ("--weights", folder / "w.safetensors")
    given = (option, value, *(("--robustness",) if option == "--cells" else ()))
    assert run(monkeypatch, folder / "list.tsv", "--device", "cpu", *more, *given) == code
    assert "A QUALITY" not in capsys.readouterr().out


def test_cells_of_a_grid_that_is_not_asked_for_are_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert run(monkeypatch, folder / "list.tsv", "--cells", "crf32") == Exit.USAGE
    assert "--robustness" in capsys.readouterr().err


def test_the_command_that_is_told_names_no_folder_of_this_machine() -> None:
    asked = {"--split": "val", "--pseudo": True, "--alarms": False, "--loop": None, "--card": True}
    assert _command(Path("/home/me/my list.tsv"), asked) == (
        "deepfake-monitor evaluate 'my list.tsv' --split val --pseudo --card"
    )


def test_the_command_that_is_told_holds_everything_that_changes_a_figure() -> None:
    asked = {"--robustness": True, "--cells": "crf32,face96", "--seconds": 9.0, "--alarms": True, "--loop": 60.0}
    assert _command(Path("list.tsv"), asked).endswith(
        "list.tsv --robustness --cells crf32,face96 --seconds 9 --alarms --loop 60"
    )
