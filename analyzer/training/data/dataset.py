"""Cut-out faces on disk: made once by worker processes, taken up again where that was stopped, read when needed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import multiprocessing
import signal
import struct
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Final, overload

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.errors import DeepfakeMonitorError, MediaError
from analyzer.faces.detector import FaceDetector, YuNetDetector
from analyzer.training.data.face_extraction import LOOSE, MAX_SIDE, Track, cut_loose, cut_track
from analyzer.training.data.manifest import Failure, Row, printable
from analyzer.training.reporting.progress import tracked

__all__ = ["LOOSE", "MAX_SIDE", "Track", "TrackCache", "cut_loose", "cut_track", "load_track", "save_track"]

CUT_AS: Final = 2
"""Count up when files are cut otherwise: what is kept of them is then cut anew."""
QUEUED: Final = 2
"""Files handed to each process at a time: one to cut, one waiting. All of them are suspects when a process ends."""
Found = tuple[Row, Track]
"""A row of the manifest with its faces."""
LOCAL_HEADER: Final = struct.Struct("<26xHH")
"""Of a zip entry: its end says how long the name and the extra field are that follow it."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredJpegs(Sequence[bytes]):
    """The pictures of a track file, each read when asked for: ten thousand clips do not fit into memory."""

    path: Path
    entries: npt.NDArray[np.int64]
    """(n, 2): where an entry's header is in the file, and how many bytes its picture has. An array, for numbers of
    Python take ten times the room, and are copied into every worker as soon as it counts references."""

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return StoredJpegs(self.path, self.entries[index])
        header, size = self.entries[index].tolist()
        try:
            with self.path.open("rb") as file:
                file.seek(header)
                name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
                file.seek(name + extra, io.SEEK_CUR)
                return file.read(size)
        except (OSError, struct.error) as error:
            raise MediaError(f"{self.path}: cannot be read any more ({error})") from error


def save_track(path: Path, saved: Track) -> None:
    """Write a track as one uncompressed zip; a file is complete or not there."""
    buffer = io.BytesIO()
    np.savez(buffer, landmarks=saved.landmarks, at_s=saved.at_s, side=saved.side)
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("track.npz", buffer.getvalue())
        for index, jpeg in enumerate(saved.jpegs):
            archive.writestr(f"{index:04d}.jpg", jpeg)
    part.replace(path)


def load_track(path: Path) -> Track:
    """Read what `save_track` wrote, pictures excepted. `MediaError` when it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive, np.load(io.BytesIO(archive.read("track.npz"))) as arrays:
            infos = sorted(
                (info for info in archive.infolist() if info.filename.endswith(".jpg")), key=lambda info: info.filename
            )
            places = [(info.header_offset, info.file_size) for info in infos]
            jpegs = StoredJpegs(path, np.array(places, np.int64).reshape(-1, 2))
            return Track(jpegs, arrays["landmarks"], arrays["at_s"], int(arrays["side"]))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise MediaError(f"{path}: damaged; delete it and build the cache again ({error})") from error


class TrackCache:
    """A folder with one file per manifest row; built once, taken up again where it was stopped.

    A row is known by its `file`: delete the folder when files change, and give each set of files a folder of its own.
    What was cut in another way (`CUT_AS`) is left where it is, and not used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path_of(self, row: Row) -> Path:
        # a name that is not UTF-8 has a path too, so that its failure can be remembered
        name = hashlib.sha256(row.file.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        # whether it shows one face only is looked at while it is cut
        return self.folder / f"{name}-{CUT_AS}{'-one' if row.one_face else ''}.track"

    def build(
        self, rows: Sequence[Row], *, detector: FaceDetector | None = None, workers: int = 0, quiet: bool = False
    ) -> list[Failure]:
        """Cut out what is missing; returns the rows without a usable face and why, in words that can be printed.

        With `workers` in so many processes, otherwise in this one, with `detector` if given. Such rows are remembered:
        they are not tried again until their file changes. Ctrl-C leaves what is done.
        """
        reasons = {row.file: self._known_failure(row) for row in rows}
        missing = [row for row in rows if reasons[row.file] is None and not self.path_of(row).exists()]
        made = self._in_processes(missing, workers) if workers and len(missing) > 1 else self._here(missing, detector)
        for row, reason in tracked(made, len(missing), "cutting out faces", quiet=quiet):
            reasons[row.file] = reason
            if reason is not None:
                self._remember(row, reason)
        found = {row.file: reasons[row.file] for row in rows}
        return [Failure(printable(file), printable(reason)) for file, reason in found.items() if reason is not None]

    def load(self, rows: Sequence[Row]) -> list[tuple[Row, Track]]:
        """The tracks of those rows that have one."""
        return [(row, load_track(self.path_of(row))) for row in rows if self.path_of(row).exists()]

    def _here(self, rows: Sequence[Row], detector: FaceDetector | None) -> Iterator[tuple[Row, str | None]]:
        for row in rows:
            detector = detector or YuNetDetector()  # only when there is work for it
            yield row, _cut(row, self.path_of(row), detector)

    def _in_processes(self, rows: Sequence[Row], workers: int) -> Iterator[tuple[Row, str | None]]:
        """Like `_here`, in `workers` processes.

        When one of them ends, the files that were being cut are tried one by one; the file that ends its process again
        is given up, and the rest goes on in all processes.
        """
        waiting = deque(rows)
        while waiting:
            suspects: list[Row] = []
            with _workers(min(workers, len(waiting))) as pool:
                running: dict[Future[str | None], Row] = {}
                while waiting or running:
                    while waiting and len(running) < QUEUED * workers and not suspects:
                        row = waiting.popleft()
                        try:
                            running[pool.submit(_cut_in_process, row, self.path_of(row))] = row
                        except BrokenProcessPool:
                            suspects.append(row)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        row = running.pop(future)
                        try:
                            yield row, future.result()
                        except BrokenProcessPool:
                            suspects.append(row)
                    if suspects and not running:
                        break
            for row in suspects:
                yield row, self._cut_alone(row)

    def _cut_alone(self, row: Row) -> str | None:
        """Cut one file in a process of its own; None, or why there is nothing to keep."""
        with _workers(1) as pool:
            try:
                return pool.submit(_cut_in_process, row, self.path_of(row)).result()
            except BrokenProcessPool:
                return "reading it ended the process (a crash of a decoder, or too little memory)"

    def _memo(self, row: Row) -> Path:
        return self.path_of(row).with_suffix(".failed")

    def _remember(self, row: Row, reason: str) -> None:
        self._memo(row).write_text(json.dumps({"reason": reason, "state": _state(row.path)}), encoding="utf-8")

    def _known_failure(self, row: Row) -> str | None:
        try:
            memo = json.loads(self._memo(row).read_text(encoding="utf-8"))
            return str(memo["reason"]) if memo["state"] == _state(row.path) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _state(path: Path) -> list[int] | None:
    """Size and time of a file: what changes when it is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _cut(row: Row, path: Path, detector: FaceDetector) -> str | None:
    """Cut out and keep; None, or why there is nothing to keep."""
    try:
        save_track(path, cut_track(row, detector))
    except DeepfakeMonitorError as error:
        return str(error)
    return None


@contextlib.contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with an interpreter of their own each: OpenCV's and FFmpeg's threads do not survive a fork."""
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_detector: FaceDetector | None = None


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it lets the clips at hand be finished
    cv2.setNumThreads(1)


def _cut_in_process(row: Row, path: Path) -> str | None:
    global _detector  # noqa: PLW0603  # one per process, made for its first file
    _detector = _detector or YuNetDetector()
    return _cut(row, path, _detector)
