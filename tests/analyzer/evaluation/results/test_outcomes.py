from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.evaluation.results.outcomes import RESULTS, Scored, Unscored, WorkFolder, library_versions, settings_key
from analyzer.scorer import ScorerInfo
from tests.analyzer.evaluation.tables import a_row, points

INFO = ScorerInfo("cpu", "torch", "test", "ab" * 32)


def test_what_was_found_comes_back_the_same_in_another_run(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"video")
    row = a_row(str(file), fake=True)
    good = Scored(row, 0.25, points((1.5, -2.0), (None, None)))
    first = WorkFolder(tmp_path / "work", "s")
    key = first.key(row)
    first.add(replace(good, strip=key), key)
    first.keep_picture(key, "grid", b"jpeg")
    again = WorkFolder(tmp_path / "work", "s")
    assert again.find(row, key) == replace(good, strip=key)
    assert again.picture(key, "grid") == b"jpeg"
    assert again.picture(key, "where") is None
    assert again.picture(None, "grid") is None
    bad = Unscored(row, "no_faces", "no face <b>\ud83d</b>")
    again.add(bad, key)
    found = WorkFolder(tmp_path / "work", "s").find(row, key)
    assert isinstance(found, Unscored)
    assert found.abstained


def test_other_weights_rules_or_devices_have_other_results() -> None:
    keys = {
        settings_key(INFO, "windows"),
        settings_key(INFO, "windows_top"),
        settings_key(replace(INFO, weights_sha256="cd" * 32), "windows"),
        settings_key(replace(INFO, device="cuda:0 (some GPU)"), "windows"),
    }
    assert len(keys) == 4
    assert settings_key(replace(INFO, device="cuda:1 (some GPU)"), "") == settings_key(replace(INFO, device="cuda"), "")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{",
        '{"key": 3}',
        '{"key": "KEY"}',
        '{"key": "KEY", "score": NaN, "timeline": []}',
        '{"key": "KEY", "score": 1.5, "timeline": []}',
        '{"key": "KEY", "score": 0.5, "timeline": 3}',
        '{"key": "KEY", "score": 0.5, "timeline": [3]}',
        '{"key": "KEY", "score": 0.5, "timeline": [[1, 0, 1]]}',
        '{"key": "KEY", "score": 0.5, "timeline": [[1, 0, 1, 0.5, Infinity, null, null]]}',
        '{"key": "KEY", "score": 0.5, "timeline": [[Infinity, 0, 1, 0.5, 1, null, null]]}',
        '{"key": "KEY", "score": 0.5, "timeline": [[1, 0, 1, 0.5, 1' + "0" * 400 + ", null, null]]}",
        "[" * 100_000,
        "\x00\xff",
    ],
    ids=range(15),
)
def test_a_line_that_is_no_result_is_passed_over_and_the_next_one_is_whole(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"video")
    row = a_row(str(file), fake=True)
    key = WorkFolder(tmp_path / "work", "s").key(row)
    results = tmp_path / "work" / RESULTS
    results.write_text(line.replace("KEY", key), encoding="utf-8")  # no end of line: cut off
    work = WorkFolder(tmp_path / "work", "s")
    assert work.find(row, key) is None
    work.add(Scored(row, 0.5), key)
    assert WorkFolder(tmp_path / "work", "s").find(row, key) == Scored(row, 0.5)
    assert json.loads(results.read_text(encoding="utf-8").splitlines()[-1])["key"] == key


def test_a_file_that_is_not_there_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WorkFolder(tmp_path / "work", "s").key(a_row(str(tmp_path / "none.mp4"), fake=True))


def test_other_libraries_have_other_results(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings_key(INFO, "windows")
    monkeypatch.setattr("analyzer.evaluation.results.outcomes.library_versions", lambda: "another FFmpeg")
    assert settings_key(INFO, "windows") != before


def test_the_libraries_are_named_with_their_versions() -> None:
    assert re.fullmatch(r"torch \d.*, OpenCV \d.*, PyAV \d.*'libswscale', \(\d.*", library_versions())
