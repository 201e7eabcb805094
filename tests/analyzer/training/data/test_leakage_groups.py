from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.training.data.face_extraction import Track
from analyzer.training.data.leakage_groups import CELLS, HASHED, Hashes, alike, face_hashes, join_groups
from analyzer.training.data.manifest import Row


def row(name: str, group: str = "", *, fake: bool = False, paired_real: str = "", folder: Path = Path()) -> Row:
    return Row(name, folder / name, fake, "m", "", "f", group or name, paired_real=paired_real)


def track(pictures: list[Pixels]) -> Track:
    jpegs = tuple(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() for picture in pictures)
    count = len(pictures)
    return Track(jpegs, np.zeros((count, 5, 2), np.float32), np.arange(count) / 25, pictures[0].shape[0])


def bits(*ones: int) -> Hashes:
    """One hash, -1 but for some bits."""
    found = np.full((1, CELLS * CELLS), -1, np.float32)
    found[0, list(ones)] = 1
    return found


def test_a_copy_that_was_scaled_and_compressed_looks_alike_and_another_picture_does_not(face: Pixels) -> None:
    small = np.asarray(cv2.resize(face, (150, 150), interpolation=cv2.INTER_AREA), np.uint8)
    darker = np.asarray(face * 0.7, np.uint8)
    mirrored = np.ascontiguousarray(face[:, ::-1])
    hashes = [face_hashes(track([picture])) for picture in (face, small, darker, mirrored)]
    assert alike(hashes) == [(0, 1), (1, 2)]


def test_one_face_in_common_is_enough(face: Pixels) -> None:
    other = np.ascontiguousarray(face[::-1])
    whole, part = face_hashes(track([other, other, face])), face_hashes(track([face]))
    assert whole.shape == (HASHED, CELLS * CELLS)
    assert alike([whole, part]) == [(0, 1)]


def test_the_limit_is_in_bits(face: Pixels) -> None:
    assert alike([bits(), bits(*range(20))]) == [(0, 1)]
    assert alike([bits(), bits(*range(21))]) == []
    assert alike([bits(), bits(*range(21))], bits=21) == [(0, 1)]


def test_flat_pictures_and_no_pictures_look_like_nothing() -> None:
    flat = np.full((100, 100, 3), 80, np.uint8)
    assert face_hashes(track([flat])).shape == (0, CELLS * CELLS)
    assert alike([face_hashes(track([flat])), face_hashes(track([flat]))]) == []
    assert alike([]) == []


def test_many_files_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.training.data.leakage_groups.COMPARED", 40)
    rng = np.random.default_rng(0)
    hashes = [np.sign(rng.normal(size=(2, CELLS * CELLS))).astype(np.float32) for _ in range(9)]
    hashes[7] = hashes[1][1:]
    assert alike(hashes) == [(1, 7)]


def test_many_pictures_of_one_scene_are_a_chain_and_not_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.training.data.leakage_groups.COMPARED", 250_000)
    rng = np.random.default_rng(1)
    scene = np.sign(rng.normal(size=(1, CELLS * CELLS))).astype(np.float32)
    assert alike([scene] * 1000) == [(i, i + 1) for i in range(999)]
    rows = [row(f"{i:04d}") for i in range(1000)]
    joined = join_groups(rows, {one.file: scene for one in rows})
    assert (joined.largest, joined.looked_alike) == (1000, 999)


def test_groups_that_look_alike_become_one_named_by_the_first() -> None:
    rows = [row("a", "g3"), row("b", "g1"), row("c", "g2"), row("d", "g2")]
    joined = join_groups(rows, {"a": bits(), "c": bits(3), "b": bits(*range(100))})
    assert [one.group for one in joined.rows] == ["g2", "g1", "g2", "g2"]
    assert joined.names == {"g1": "g1", "g2": "g2", "g3": "g2"}
    assert (joined.looked_alike, joined.largest) == (1, 3)
    assert joined.report() == "1 files looked alike, and were put together; the largest group has 3 files"


def near(first: Hashes, bits: int) -> Hashes:
    """Another hash, so many bits away."""
    other = first.copy()
    other[0, np.random.default_rng(bits).permutation(CELLS * CELLS)[:bits]] *= -1
    return other


def a_walk(rng: np.random.Generator, count: int, bits: int) -> list[Hashes]:
    """Each hash differs from the one before by so many bits: the ends have nothing in common."""
    hashes = [np.sign(rng.normal(size=(1, CELLS * CELLS))).astype(np.float32)]
    for _ in range(count - 1):
        following = hashes[-1].copy()
        following[0, rng.permutation(CELLS * CELLS)[:bits]] *= -1
        hashes.append(following)
    return hashes


def test_where_hundreds_would_chain_the_limit_is_lowered_and_copies_are_still_joined() -> None:
    hashes = a_walk(np.random.default_rng(0), 150, 14)
    hashes.append(near(hashes[0], 3))
    rows = [row(f"{index}.png") for index in range(len(hashes))]
    joined = join_groups(rows, {row.file: one for row, one in zip(rows, hashes, strict=True)})
    assert (joined.looked_alike, joined.largest, joined.bits) == (1, 2, 12)
    assert "at most 12 of 256 bits apart" in joined.report()


def test_a_large_group_that_was_given_does_not_lower_the_limit() -> None:
    copy, rng = np.random.default_rng(0), np.random.default_rng(1)
    first = np.sign(rng.normal(size=(1, CELLS * CELLS))).astype(np.float32)
    rows = [row(f"{index}.png", group="camera") for index in range(150)] + [row("copy.png")]
    hashes = {one.file: np.sign(copy.normal(size=(1, CELLS * CELLS))).astype(np.float32) for one in rows}
    hashes |= {"0.png": first, "copy.png": near(first, 18)}
    joined = join_groups(rows, hashes)
    assert (joined.looked_alike, joined.largest, joined.bits) == (1, 151, 20)


def test_hundreds_of_copies_are_one_group() -> None:
    hashes = a_walk(np.random.default_rng(0), 150, 2)
    rows = [row(f"{index}.png") for index in range(len(hashes))]
    joined = join_groups(rows, {row.file: one for row, one in zip(rows, hashes, strict=True)})
    assert (joined.largest, joined.bits) == (150, 4)


def test_a_fake_goes_with_its_real_clip_by_path_or_by_name() -> None:
    real, by_name = row("real/x.mp4"), row("fake/y.mp4", fake=True, paired_real="x.mp4")
    rows = [real, by_name, row("z.mp4", fake=True, paired_real="real/x.mp4")]
    joined = join_groups(rows)
    assert {one.group for one in joined.rows} == {"fake/y.mp4"}
    assert joined.pairs == 2


def test_a_pair_that_cannot_be_told_is_left() -> None:
    rows = [row("a/x.mp4"), row("b/x.mp4"), row("y.mp4", paired_real="x.mp4"), row("v.mp4", paired_real="gone.mp4")]
    joined = join_groups(rows)
    assert joined.pairs == 0
    assert joined.report() == "no file looks like one of another group"


def test_copies_to_the_byte_are_found_and_missing_files_do_no_harm(tmp_path: Path) -> None:
    for name, content in (("a", b"same"), ("b", b"same"), ("c", b"else"), ("d", b"longer")):
        (tmp_path / name).write_bytes(content)
    rows = [row(name, folder=tmp_path) for name in ("a", "b", "c", "d", "gone")]
    joined = join_groups(rows)
    assert [one.group for one in joined.rows] == ["a", "a", "c", "d", "gone"]
    assert joined.same_file == 1
    inside = [replace(one, group="g") for one in rows]
    assert join_groups(inside).same_file == 0


def test_nothing_is_joined_of_nothing() -> None:
    assert join_groups([]).largest == 0
