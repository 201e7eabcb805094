"""What kept faces look like, remembered beside them: thousands of files decoded anew at every start take minutes."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from analyzer.training.data.dataset import Found, TrackCache
from analyzer.training.data.leakage_groups import CELLS, HASHED, Hashes, face_hashes
from analyzer.training.reporting.progress import tracked

KEPT: Final = "likeness.npz"
MADE_AS: Final = (1, CELLS, HASHED)
"""Hashes made otherwise are not comparable: count the first up when `face_hashes` changes."""


class _Kept(NamedTuple):
    state: tuple[int, int]
    """Size and time of the track file."""
    bits: bytes
    """Its hashes, one after the other, eight bits to a byte."""


def hashes_of(found: Sequence[Found], cache: TrackCache, *, quiet: bool = True) -> dict[str, Hashes]:
    """`face_hashes` of each track by its `Row.file`, from `cache.folder` / KEPT where its file is as it was.

    What is new is added there, also when this is stopped; a damaged file is made anew, one that cannot be written is
    done without. Raises `MediaError` for a kept face that cannot be decoded.
    """
    path = cache.folder / KEPT
    kept = _load(path)
    paths = {row.file: cache.path_of(row) for row, _ in found}
    states = {file: _state(one) for file, one in paths.items()}
    missing = [
        (row.file, faces)
        for row, faces in found
        if (known := kept.get(paths[row.file].stem)) is None or known.state != states[row.file]
    ]
    try:
        for file, faces in tracked(missing, len(missing), "comparing faces", quiet=quiet):
            kept[paths[file].stem] = _Kept(states[file], np.packbits(face_hashes(faces) > 0).tobytes())
    finally:
        if missing:
            _save(path, kept)
    return {file: _unpacked(kept[one.stem].bits) for file, one in paths.items()}


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _unpacked(bits: bytes) -> Hashes:
    ones = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(-1, CELLS * CELLS)
    return np.asarray(ones.astype(np.float32) * 2 - 1, np.float32)


def _load(path: Path) -> dict[str, _Kept]:
    try:
        with np.load(path) as arrays:
            if tuple(arrays["made_as"].tolist()) != MADE_AS:
                return {}
            joined, ends = arrays["bits"].tobytes(), np.cumsum(arrays["lengths"]).tolist()
            starts = [0, *ends[:-1]]
            states = [(int(size), int(at)) for size, at in arrays["states"]]
            names = [str(name) for name in arrays["names"]]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return {}
    parts = [joined[start:end] for start, end in zip(starts, ends, strict=False)]
    whole = CELLS * CELLS // 8
    if not len(names) == len(states) == len(parts) or any(len(part) % whole for part in parts):
        return {}
    return {name: _Kept(state, part) for name, state, part in zip(names, states, parts, strict=True)}


def _save(path: Path, kept: dict[str, _Kept]) -> None:
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            np.savez(
                file,
                made_as=np.array(MADE_AS),
                names=np.array(list(kept)),
                states=np.array([one.state for one in kept.values()], np.int64).reshape(-1, 2),
                lengths=np.array([len(one.bits) for one in kept.values()], np.int64),
                bits=np.frombuffer(b"".join(one.bits for one in kept.values()), np.uint8),
            )
        part.replace(path)
    except OSError:
        return  # a folder that cannot be written to: they are made again next time
