"""Puts together what must not be parted: rows of one group, a fake and its real clip, copies, and near copies.

Looks of faces are compared by difference hashes (Zauner, 2010) of a few kept faces of each file: 16 x 16 cells of a
loose crop, each bit saying whether a cell is brighter than its left neighbour. That survives scaling and compression.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row, paired_reals

CELLS: Final = 16
HASHED: Final = 3
"""So many faces of a file are hashed: the first, the last, and some between."""
ALIKE_BITS: Final = 20
"""Of 256: files with two faces that differ in no more are taken for copies of one recording."""
STEP_BITS: Final = 4
"""The limit is lowered by this as long as files chain: among ten thousand aligned portraits every face resembles some
other, and each of the two again some other."""
CHAINED_FILES: Final = 100
CHAINED_SHARE: Final = 0.005
"""A group that likeness makes larger by more than this many files, and than this share of all, has chained."""
COMPARED: Final = 2**24
"""So many pairs of hashes are compared at a time: 64 MB of float32, and 256 MB more should all of them be alike."""

Hashes = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows whose `group` is now that of all they hang together with, and what was found."""

    rows: list[Row]
    names: Mapping[str, str]
    """Group as it was given -> group as it is now: the first by name of those put together."""
    looked_alike: int
    """Files of different groups that looked alike."""
    same_file: int
    """Files that are copies to the byte of one in another group."""
    pairs: int
    """Fakes whose real clip was in another group."""
    largest: int
    """Files in the largest group."""
    bits: int = ALIKE_BITS
    """Of 256: the limit of likeness, lower where files would have chained."""

    def report(self) -> str:
        """For people: what was put together that was given apart."""
        found = [
            (self.looked_alike, "looked alike"),
            (self.same_file, "were the same to the byte"),
            (self.pairs, "were fakes and their real clips"),
        ]
        parts = [f"{count} files {what}" for count, what in found if count]
        chained = f" (at most {self.bits} of 256 bits apart, or all would chain)" if self.bits < ALIKE_BITS else ""
        if not parts:
            return f"no file looks like one of another group{chained}"
        return f"{'; '.join(parts)}, and were put together; the largest group has {self.largest} files{chained}"


class _Union:
    """Union-find over names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.parent = {name: name for name in names}

    def find(self, name: str) -> str:
        while self.parent[name] != name:
            self.parent[name] = self.parent[self.parent[name]]
            name = self.parent[name]
        return name

    def join(self, one: str, other: str) -> bool:
        """False when they were together already."""
        first, second = sorted((self.find(one), self.find(other)))
        self.parent[second] = first  # the first by name stands for all, whatever the order of joining
        return first != second


def face_hashes(track: Track) -> Hashes:
    """(n, 256) of -1 and 1, n up to `HASHED`, of faces spread over the track; flat pictures give none."""
    count = len(track.jpegs)
    found = []
    for index in sorted({round(i * (count - 1) / max(1, HASHED - 1)) for i in range(HASHED)}) if count else []:
        grey = cv2.cvtColor(track.frames([index])[0], cv2.COLOR_RGB2GRAY)
        if float(grey.std()) < 4:  # next to nothing to see: all such pictures would look alike
            continue
        small = cv2.resize(grey, (CELLS + 1, CELLS), interpolation=cv2.INTER_AREA).astype(np.int16)
        found.append(np.where(small[:, 1:] > small[:, :-1], 1, -1).ravel())
    return np.array(found, np.float32).reshape(-1, CELLS * CELLS)


def alike(hashes: Sequence[Hashes], bits: int = ALIKE_BITS) -> list[tuple[int, int]]:
    """Pairs of files (first < second) that put together all that hang together by faces that differ in so few bits.

    Of ten thousand pictures of one scene not every pair is given, but a chain: memory stays in bounds.
    """
    owner = np.repeat(np.arange(len(hashes)), [len(part) for part in hashes])
    joined = np.concatenate([*hashes, np.zeros((0, CELLS * CELLS), np.float32)])
    pairs: set[tuple[int, int]] = set()
    block = max(1, COMPARED // max(1, len(joined)))
    for start in range(0, len(joined), block):
        # of two hashes of -1 and 1 the product is 256 minus twice the bits that differ
        near = joined[start : start + block] @ joined[start:].T >= CELLS * CELLS - 2 * bits
        first, second = np.nonzero(near)
        ones, others = owner[first + start], owner[second + start]
        pairs.update(_chains(ones[ones < others], others[ones < others], len(hashes)))
    return sorted(pairs)


def _chains(ones: npt.NDArray[np.intp], others: npt.NDArray[np.intp], count: int) -> Iterator[tuple[int, int]]:
    """The fewest pairs that put together what these pairs of `count` files do."""
    if not len(ones):
        return
    edges = coo_array((np.ones(len(ones), np.int8), (ones, others)), shape=(count, count))
    _, part = connected_components(edges, directed=False)
    order = np.argsort(part, kind="stable")
    together = part[order[1:]] == part[order[:-1]]
    yield from zip(order[:-1][together].tolist(), order[1:][together].tolist(), strict=True)


def as_given(rows: Sequence[Row]) -> Joined:
    """Nothing put together."""
    largest = max(Counter(row.group for row in rows).values(), default=0)
    return Joined(list(rows), {row.group: row.group for row in rows}, 0, 0, 0, largest)


def join_groups(rows: Sequence[Row], hashes: Mapping[str, Hashes] | None = None) -> Joined:
    """Give rows that hang together one group. `hashes`: of files that have faces, by `Row.file`."""
    union = _Union(row.group for row in rows)
    partners = paired_reals(rows)
    pairs = sum(union.join(row.group, partners[row.file].group) for row in rows if row.file in partners)
    same = sum(union.join(one.group, other.group) for one, other in _copies(rows))
    looked, bits = _join_alike(union, rows, hashes) if hashes else (0, ALIKE_BITS)
    joined = [replace(row, group=union.find(row.group)) for row in rows]
    names = {row.group: union.find(row.group) for row in rows}
    return replace(as_given(joined), names=names, looked_alike=looked, same_file=same, pairs=pairs, bits=bits)


def _join_alike(union: _Union, rows: Sequence[Row], hashes: Mapping[str, Hashes]) -> tuple[int, int]:
    """Join what looks alike, under the highest limit that makes no chain; how many files were joined, and the limit.

    Under the lowest limit nothing but copies is joined, however many they are.
    """
    seen = [row for row in rows if row.file in hashes]
    before = dict(union.parent)
    given = Counter(union.find(row.group) for row in rows)
    most = max(CHAINED_FILES, int(CHAINED_SHARE * len(rows)))
    looked, bits = 0, ALIKE_BITS + STEP_BITS
    while bits > STEP_BITS:
        bits -= STEP_BITS
        union.parent = dict(before)
        pairs = alike([hashes[row.file] for row in seen], bits)
        looked = sum(union.join(seen[one].group, seen[other].group) for one, other in pairs)
        if _most_added(union, given) <= most:
            break
    return looked, bits


def _most_added(union: _Union, given: Mapping[str, int]) -> int:
    """Most files that were joined to the largest of the groups they were joined with. `given`: files of each before."""
    joined: dict[str, list[int]] = {}
    for group, files in given.items():
        joined.setdefault(union.find(group), []).append(files)
    return max((sum(sizes) - max(sizes) for sizes in joined.values()), default=0)


def _copies(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Files with equal bytes, each with the first of them. Only files of equal size are read."""
    by_size: dict[int, list[Row]] = {}
    for row in rows:
        try:
            by_size.setdefault(row.path.stat().st_size, []).append(row)
        except OSError:
            continue  # named where its faces are cut out
    found = []
    for same_size in by_size.values():
        first: dict[str, Row] = {}
        for row in same_size if len({row.group for row in same_size}) > 1 else []:
            digest = _digest(row.path)
            if digest is not None and first.setdefault(digest, row) is not row:
                found.append((first[digest], row))
    return found


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
