from __future__ import annotations

import os
import struct
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Box, Detection, Pixels
from analyzer.errors import MediaError, NoFacesError, NotAVideoError
from analyzer.faces.detector import YuNetDetector
from analyzer.training.data import dataset
from analyzer.training.data.dataset import LOOSE, MAX_SIDE, TrackCache, cut_loose, cut_track, load_track, save_track
from analyzer.training.data.manifest import Row, read_manifest
from tests.analyzer.conftest import moving, write_clip
from tests.fakes import ScriptedDetector


def row(path: Path) -> Row:
    return Row(path.name, path, False, "none", "", "none", path.name)


class Untouched:
    def detect(self, rgb: Pixels) -> list[Detection]:
        raise AssertionError("nothing was left to do")


def crash_at_bad(item: Row, _: Path) -> str | None:
    """What a decoder does with a hostile file; the other files are cut only after it has begun."""
    begun = item.path.with_name("begun")
    if item.file == "bad":
        begun.touch()
        os._exit(3)
    while not begun.exists():
        time.sleep(0.01)
    time.sleep(0.2)  # the end of a process is noticed a little later
    return None


def test_a_clip_becomes_a_track_whose_landmarks_lie_on_the_face(cache: TrackCache, manifest: Path) -> None:
    (_, track), *_ = cache.load(read_manifest(manifest, "train"))
    assert NUM_FRAMES <= len(track.jpegs) == len(track.landmarks) == len(track.at_s) <= 20
    assert (np.diff(track.at_s) > 0).all()
    frame = track.frames([3])[0]
    assert frame.shape == (track.side, track.side, 3)
    again = YuNetDetector().detect(frame)
    assert np.abs(np.array(again[0].landmarks) - track.landmarks[3]).max() < 0.05 * track.side


def test_the_middle_of_what_is_kept_is_the_serving_crop(face: Pixels, detection: Detection) -> None:
    box = detection.box
    kept = cut_loose(face, detection, box, 1.3 * LOOSE, 0.0)
    assert kept.natural == round(box.longer_side * 1.3 * LOOSE)
    eyes = kept.landmarks[:2].mean(axis=0)
    assert 0.35 < eyes[0] < 0.65
    assert 0.3 < eyes[1] < 0.6


def test_a_large_face_is_scaled_down_and_a_face_at_the_edge_gets_its_border_repeated(
    face: Pixels, detection: Detection
) -> None:
    large = cut_loose(face, detection, Box(0, 0, 250, 250), 1.3 * LOOSE, 0.0)
    assert large.square.shape == (MAX_SIDE, MAX_SIDE, 3)
    corner = cut_loose(face, detection, Box(-40, -40, 80, 80), 1.3, 0.0)
    np.testing.assert_array_equal(corner.square[0, 0], face[0, 0])


def test_a_picture_becomes_a_track_of_one(tmp_path: Path, face: Pixels) -> None:
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    assert len(cut_track(row(path), YuNetDetector()).jpegs) == 1


def test_a_clip_too_short_for_a_window_is_refused(tmp_path: Path, face: Pixels) -> None:
    path = tmp_path / "short.mp4"
    write_clip(path, moving(face, 6))
    with pytest.raises(NoFacesError, match=r"short\.mp4: the longest track has 6 faces"):
        cut_track(row(path), YuNetDetector())


def test_tracks_are_written_and_read_back_the_same(tmp_path: Path, cache: TrackCache, manifest: Path) -> None:
    (_, track), *_ = cache.load(read_manifest(manifest, "train"))
    save_track(tmp_path / "a.track", track)
    again = load_track(tmp_path / "a.track")
    assert list(again.jpegs) == list(track.jpegs)
    assert list(again.jpegs[3:5]) == list(track.jpegs[3:5])
    np.testing.assert_array_equal(again.landmarks, track.landmarks)
    assert [path.name for path in tmp_path.iterdir()] == ["a.track"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"], ids=["empty", "cut short"])
def test_a_damaged_track_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.track"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="delete it and build the cache again"):
        load_track(path)


def test_rows_that_cannot_be_used_are_named_and_the_others_built(tmp_path: Path, manifest: Path) -> None:
    cache = TrackCache(tmp_path)
    failures = cache.build(read_manifest(manifest, "other"), quiet=True)
    assert [failure.file for failure in failures] == ["broken.mp4", "missing.mp4", "empty.mp4"]
    assert "not a video that we can read" in failures[0].reason
    assert cache.load(read_manifest(manifest, "other")) == []


def test_building_again_takes_up_what_is_there(cache: TrackCache, manifest: Path) -> None:
    rows = read_manifest(manifest, "train")
    before = {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()}
    assert cache.build(rows, detector=Untouched(), quiet=True) == []
    assert {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()} == before


def test_a_track_that_goes_away_while_it_is_used_is_named(tmp_path: Path, cache: TrackCache, manifest: Path) -> None:
    (_, track), *_ = cache.load(read_manifest(manifest, "train"))
    save_track(tmp_path / "a.track", track)
    again = load_track(tmp_path / "a.track")
    (tmp_path / "a.track").unlink()
    with pytest.raises(MediaError, match=r"a\.track: cannot be read any more"):
        again.frames([0])


def test_a_file_without_a_face_is_tried_again_only_when_it_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "text.jpg", TrackCache(tmp_path / "faces")
    path.write_text("no picture")
    (first,) = cache.build([row(path)], quiet=True)
    path.chmod(0o600)
    assert cache.build([row(path)], detector=Untouched(), quiet=True) == [first]
    path.write_text("another")
    os.utime(path, ns=(1, 1))
    assert len(cache.build([row(path)], quiet=True)) == 1
    memo = next(cache.folder.glob("*.failed"))
    memo.write_text("[]")
    assert len(cache.build([row(path)], quiet=True)) == 1


def test_faces_are_cut_out_in_processes_alike_and_bad_files_named(
    tmp_path: Path, cache: TrackCache, manifest: Path
) -> None:
    rows = [*read_manifest(manifest, "other"), *read_manifest(manifest, "train")[:2]]
    built = TrackCache(tmp_path)
    failures = built.build(rows, workers=2, quiet=True)
    assert [failure.file for failure in failures] == ["broken.mp4", "missing.mp4", "empty.mp4"]
    for item in rows[3:]:
        here, there = load_track(cache.path_of(item)), load_track(built.path_of(item))
        assert list(here.jpegs) == list(there.jpegs)


def picture_header(side: int) -> bytes:
    """A PNG of `side` x `side` that holds next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_odd_files_are_named_and_end_no_run(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(picture_header(40_000))
    (tmp_path / "nothing.jpg").touch()
    (tmp_path / "folder.png").mkdir()
    names = [
        "huge.png",
        "nothing.jpg",
        "folder.png",
        "gone.jpg",
        os.fsdecode(b"M\xfcller.jpg"),
        os.fsdecode(b"\xfc.mp4"),
    ]
    cache = TrackCache(tmp_path / "faces")
    failures = cache.build([row(tmp_path / name) for name in names], detector=Untouched(), quiet=True)
    assert [failure.file for failure in failures] == [*names[:4], "M\\udcfcller.jpg", "\\udcfc.mp4"]
    reasons = "\n".join(failure.reason for failure in failures)
    assert "huge.png: expected a picture, cannot decode it" in reasons
    assert "M\\udcfcller.jpg: its name is not UTF-8; rename it" in reasons
    assert reasons.encode()


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4"])
def test_a_title_that_is_not_text_ends_no_run(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"title.{suffix}"
    with av.open(str(path), "w", metadata_encoding="latin-1") as container:
        container.metadata["title"] = "M\xfcller"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode())
    assert b"M\xfcller" in path.read_bytes()
    failures = TrackCache(tmp_path / "faces").build([row(path)], detector=ScriptedDetector([]), quiet=True)
    assert [failure.file for failure in failures] == [path.name]


def test_what_was_cut_in_another_way_is_cut_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item, cache = row(tmp_path / "text.jpg"), TrackCache(tmp_path)
    before = cache.path_of(item)
    monkeypatch.setattr(dataset, "CUT_AS", dataset.CUT_AS + 1)
    assert cache.path_of(item) != before


def test_a_label_of_one_face_is_looked_at_anew_where_it_was_not_before(tmp_path: Path) -> None:
    cache, item = TrackCache(tmp_path), row(tmp_path / "clip.mp4")
    assert cache.path_of(replace(item, one_face=True)) != cache.path_of(item)


def test_a_file_that_ends_its_process_is_passed_over_and_all_processes_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    workers = dataset._workers

    def counting(count: int) -> AbstractContextManager[ProcessPoolExecutor]:
        made.append(count)
        return workers(count)

    monkeypatch.setattr(dataset, "_workers", counting)
    monkeypatch.setattr(dataset, "_cut_in_process", crash_at_bad)
    rows = [row(tmp_path / name) for name in ("a", "bad", *(f"file{i}" for i in range(10)))]
    failures = TrackCache(tmp_path).build(rows, workers=2, quiet=True)
    assert [(Path(failure.file).name, "ended the process" in failure.reason) for failure in failures] == [("bad", True)]
    assert made[0] == made[-1] == 2
    assert set(made[1:-1]) == {1}


def test_text_called_a_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("no picture")
    with pytest.raises(NotAVideoError, match=r"text\.jpg: expected a picture"):
        cut_track(row(path), YuNetDetector())
