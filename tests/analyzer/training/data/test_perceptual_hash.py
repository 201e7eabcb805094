from __future__ import annotations

import os

import numpy as np
import pytest

from analyzer.training.data import perceptual_hash as likeness
from analyzer.training.data.dataset import Found, Track, TrackCache
from analyzer.training.data.leakage_groups import CELLS, Hashes, face_hashes
from analyzer.training.data.perceptual_hash import KEPT, hashes_of

pytestmark = pytest.mark.usefixtures("unkept")


@pytest.fixture
def unkept(cache: TrackCache) -> None:
    (cache.folder / KEPT).unlink(missing_ok=True)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Track]:
    """The tracks whose faces were decoded."""
    seen: list[Track] = []

    def noting(track: Track) -> Hashes:
        seen.append(track)
        return face_hashes(track)

    monkeypatch.setattr(likeness, "face_hashes", noting)
    return seen


def test_hashes_are_made_once_and_are_the_same_when_read(
    found: list[Found], cache: TrackCache, made: list[Track]
) -> None:
    first = hashes_of(found, cache)
    assert len(made) == len(found)
    again = hashes_of(found, cache)
    assert len(made) == len(found)
    for row, track in found:
        np.testing.assert_array_equal(first[row.file], face_hashes(track))
        np.testing.assert_array_equal(again[row.file], first[row.file])
        assert again[row.file].dtype == np.float32


def test_only_what_is_new_or_was_cut_out_again_is_made(
    found: list[Found], cache: TrackCache, made: list[Track]
) -> None:
    hashes_of(found[:2], cache)
    hashes_of(found, cache)
    assert len(made) == len(found)
    os.utime(cache.path_of(found[0][0]), ns=(1, 1))
    hashes_of(found, cache)
    assert made[len(found) :] == [found[0][1]]


def test_what_was_made_before_a_stop_is_kept(found: list[Found], cache: TrackCache, made: list[Track]) -> None:
    class StoppedError(Exception):
        pass

    def stopping() -> list[Found]:
        class Broken(Track):
            def frames(self, indices: object) -> list[np.ndarray]:
                raise StoppedError

        row, track = found[2]
        return [*found[:2], (row, Broken(track.jpegs, track.landmarks, track.at_s, track.side))]

    with pytest.raises(StoppedError):
        hashes_of(stopping(), cache)
    hashes_of(found[:2], cache)
    assert len(made) == 3


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "no arrays"])
def test_a_damaged_file_is_made_anew(found: list[Found], cache: TrackCache, made: list[Track], content: bytes) -> None:
    (cache.folder / KEPT).write_bytes(content)
    assert set(hashes_of(found, cache)) == {row.file for row, _ in found}
    hashes_of(found, cache)
    assert len(made) == len(found)


def test_hashes_made_otherwise_are_not_used(
    found: list[Found], cache: TrackCache, made: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes_of(found, cache)
    monkeypatch.setattr(likeness, "MADE_AS", (2, 16, 3))
    hashes_of(found, cache)
    assert len(made) == 2 * len(found)


def test_a_folder_that_cannot_be_written_to_is_done_without(
    found: list[Found], cache: TrackCache, made: list[Track]
) -> None:
    (cache.folder / "likeness.part").mkdir()
    try:
        hashes_of(found, cache)
        assert hashes_of(found, cache)[found[0][0].file].shape[1] == CELLS * CELLS
    finally:
        (cache.folder / "likeness.part").rmdir()
    assert len(made) == 2 * len(found)


def test_of_nothing_nothing_is_kept(cache: TrackCache) -> None:
    assert hashes_of([], cache) == {}
    assert not (cache.folder / KEPT).exists()
