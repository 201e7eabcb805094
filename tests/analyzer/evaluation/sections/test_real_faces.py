from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.evaluation.sections.real_faces import faces_key, real_faces
from analyzer.training.data.dataset import TrackCache, load_track, save_track
from analyzer.training.data.manifest import Row, read_manifest
from tests.analyzer.evaluation.tables import a_row


@pytest.fixture
def rows(manifest: Path) -> list[Row]:
    return [row for row in read_manifest(manifest, "train") if not row.fake][:2]


@pytest.fixture
def folder(tmp_path: Path, cache: TrackCache, rows: list[Row]) -> Path:
    """The faces of `rows`, a copy that may be spoilt."""
    for row in rows:
        shutil.copy(cache.path_of(row), tmp_path)
    return tmp_path


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def with_a_broken_picture(path: Path) -> None:
    track = load_track(path)
    whole = [track.jpegs[i] for i in range(len(track.jpegs))]
    save_track(path, replace(track, jpegs=[*whole[:-1], b"no picture"]))


@pytest.mark.parametrize("spoil", [cut_short, with_a_broken_picture])
def test_damaged_faces_are_cut_out_once_more(folder: Path, rows: list[Row], spoil: object) -> None:
    path = TrackCache(folder).path_of(rows[0])
    assert callable(spoil)
    spoil(path)
    found = real_faces(rows, folder, 10)
    assert [row for row, _ in found.found] == rows
    assert found.note == ""
    assert len(load_track(path).frames(range(20))) == 20


def test_damaged_faces_without_their_video_are_left_out_and_told(folder: Path, rows: list[Row], tmp_path: Path) -> None:
    lost = replace(rows[0], path=tmp_path / "gone.mp4")
    cut_short(TrackCache(folder).path_of(lost))
    found = real_faces([lost, rows[1]], folder, 10)
    assert [row for row, _ in found.found] == rows[1:]
    assert found.note == "1 of 2 real videos without 16 usable faces were left out"
    assert TrackCache(folder).path_of(lost).exists()  # not ours to throw away what cannot be made again


def test_a_pipe_is_not_waited_for(folder: Path, rows: list[Row]) -> None:
    os.mkfifo(folder / "pipe.mp4")
    pipe = Row("pipe.mp4", folder / "pipe.mp4", False, "none", "", "", "p")
    assert [row for row, _ in real_faces([pipe, *rows], folder, 10).found] == rows


def test_files_that_changed_have_another_folder(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"one")
    row = replace(a_row("clip.mp4", fake=False), path=clip)
    fake = replace(a_row("fake.mp4", fake=True), path=tmp_path / "fake.mp4")
    before = faces_key([row])
    assert faces_key([fake, row]) == before  # of fakes no faces are kept
    os.utime(clip, ns=(1, 1))
    touched = faces_key([row])
    clip.unlink()
    assert len({before, touched, faces_key([row]), faces_key([])}) == 4
