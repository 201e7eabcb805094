"""The real faces of a manifest, cut out: what pseudo-fakes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.config import NUM_FRAMES
from analyzer.errors import MediaError
from analyzer.evaluation.results.kept import code_digest, key_of, state_of
from analyzer.evaluation.results.outcomes import library_versions, serving_code_digest
from analyzer.evaluation.sections.spread import left_out, spread_over_groups
from analyzer.training.data.dataset import Track, TrackCache
from analyzer.training.data.manifest import Row

Found = tuple[Row, Track]


@dataclass(frozen=True, slots=True)
class RealFaces:
    """The longest track of each real video that has one of 16 faces."""

    found: tuple[Found, ...]
    note: str
    """What a reader must know of the choice; empty when every real video was used."""


def real_faces(rows: Sequence[Row], folder: Path, most: int) -> RealFaces:
    """Of at most `most` real videos among `rows`, spread over the sources.

    `folder`: where faces are, or are put, as `train` keeps them. One that is damaged is cut out once more.
    """
    reals = [row for row in rows if not row.fake and not row.is_picture]
    chosen = spread_over_groups(reals, most)
    cache = TrackCache(folder)
    cache.build([row for row in chosen if row.path.is_file()])  # a FIFO would be waited for
    tracks = {row.file: _whole(cache, row) for row in chosen if cache.path_of(row).exists()}
    damaged = [row for row in chosen if row.file in tracks and tracks[row.file] is None and row.path.is_file()]
    for row in damaged:
        cache.path_of(row).unlink(missing_ok=True)
    cache.build(damaged)
    tracks |= {row.file: _whole(cache, row) for row in damaged if cache.path_of(row).exists()}
    pairs = [(row, tracks.get(row.file)) for row in chosen]
    found = tuple((row, track) for row, track in pairs if track is not None and len(track.jpegs) >= NUM_FRAMES)
    return RealFaces(found, left_out(len(reals), len(chosen), len(found)))


def faces_key(rows: Sequence[Row]) -> str:
    """Names a folder for the real faces of `rows`: of these files as they are now, cut out by this code.

    In it faces are kept by the name in the manifest, which in another manifest may be another file.
    """
    states: list[tuple[object, ...]] = []
    for row in rows:
        if not row.fake and not row.is_picture:
            try:
                states.append((row.file, *state_of(row.path)))
            except (OSError, ValueError):
                states.append((row.file, row.path))
    data = Path(__file__).resolve().parents[2] / "training" / "data"
    code = code_digest([data / "face_extraction.py", data / "dataset.py"])
    return key_of(serving_code_digest(), code, library_versions(), *sorted(states, key=str))


def _whole(cache: TrackCache, row: Row) -> Track | None:
    """None where the file or one of its pictures cannot be read."""
    try:
        (_, track), *_ = cache.load([row])
        for index in range(len(track.jpegs)):
            track.frames([index])
    except MediaError:
        return None
    return track
