from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import pytest

from analyzer.training.reporting.plots import _calibrated_on_dev, draw_plots, have_matplotlib, read_metrics

LINES = [
    {"stage": "faces", "part": "train", "real": 3},
    *({"stage": "A", "step": 50 * i, "share": i / 9, "decision": 0.7 - i / 30, "seam": 0.3} for i in range(10)),
    *({"stage": "dev", "step": 100 * i, "auc.frames": 0.5 + i / 10, "pseudo.F1.frames": 0.8} for i in range(3)),
    {"stage": "B", "step": 0, "share": 0.0, "loss": 0.69, "right": 0.5},
    {"stage": "C", "a": 1.0, "reliability": [[0.1, 0.05, 40], [0.9, 0.8, 11]]},
]


def written(folder: Path, lines: list[dict[str, object]]) -> Path:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"stage": "A", "st', encoding="utf-8")
    return folder


def test_what_was_measured_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = draw_plots(written(tmp_path, LINES))
    assert [path.name for path in paths] == ["loss.png", "dev.png", "calibration.png"]
    for path in paths:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.std() > 5
    assert not list(tmp_path.glob("*.part"))


def test_only_that_is_drawn_which_there_is_something_for(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert draw_plots(tmp_path) == []
    assert [path.name for path in draw_plots(written(tmp_path, LINES[:4]))] == ["loss.png"]


def test_without_matplotlib_nothing_is_drawn_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not have_matplotlib()
    assert draw_plots(written(tmp_path, LINES)) == []


def test_a_line_cut_short_and_a_missing_file_are_passed_over(tmp_path: Path) -> None:
    assert read_metrics(written(tmp_path, LINES) / "metrics.jsonl") == LINES
    assert read_metrics(tmp_path / "none") == []


def test_bytes_that_are_no_text_cost_their_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"stage": "A"}\n\xff\xfe{"st\n{"stage": "B"}\n')
    assert read_metrics(path) == [{"stage": "A"}, {"stage": "B"}]


@pytest.mark.parametrize(("real", "done", "expected"), [(0, True, True), (3, True, False), (0, False, False)])
def test_a_curve_of_the_part_it_was_calibrated_on_is_called_that(real: int, done: bool, expected: bool) -> None:
    faces = {"stage": "faces", "part": "calibration", "real": real}
    last = {"stage": "C", "a": 1.0} | ({"calibration.real_windows_flagged": {}} if done else {})
    assert _calibrated_on_dev([faces, last]) is expected
