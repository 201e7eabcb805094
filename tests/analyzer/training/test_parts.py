from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from analyzer.training.dataset import TrackCache
from analyzer.training.groups import join_groups
from analyzer.training.manifest import Row
from analyzer.training.options import TrainOptions
from analyzer.training.parts import gather, share_joined


def options(**changes: object) -> TrainOptions:
    return TrainOptions(Path("m.tsv"), Path("run"), window_share=0.0, **changes)  # type: ignore[arg-type]


def pairs(count: int, split: str = "") -> list[Row]:
    """Each real with a fake of it, in groups of their own."""
    return [
        Row(f"{kind}{i}", Path(f"{kind}{i}"), kind == "f", "m", split, "f", f"{kind}{i}",
            paired_real=f"r{i}" if kind == "f" else "")
        for i in range(count) for kind in "rf"
    ]  # fmt: skip


def test_what_belongs_together_is_in_one_part_and_held_out_parts_keep_their_share() -> None:
    rows = pairs(200)
    parts, _ = share_joined(rows, join_groups(rows), options())
    for part in parts.values():
        files = {row.file for row in part}
        assert all(f"{'f' if file[0] == 'r' else 'r'}{file[1:]}" in files for file in files)
    assert sum(len(part) for part in parts.values()) == 400
    assert 20 < len(parts["calibration"]) < 80
    assert {row.group for row in parts["train"]} == {f"f{row.file[1:]}" for row in parts["train"]}


def test_a_place_by_hand_takes_along_what_belongs_to_it() -> None:
    rows = pairs(3)
    parts, _ = share_joined(rows, join_groups(rows), options(placed={"r1": "calibration"}))
    assert {"r1", "f1"} <= {row.file for row in parts["calibration"]}
    by_split = [replace(row, split="dev") if row.file == "f2" else row for row in rows]
    parts, _ = share_joined(by_split, join_groups(by_split), options())
    assert [row.file for row in parts["dev"]] == ["r2", "f2"]


def test_what_was_placed_apart_by_hand_stays_there_and_is_named() -> None:
    rows = pairs(2)
    parts, apart = share_joined(rows, join_groups(rows), options(placed={"r0": "dev", "f0": "train", "r1": "dev"}))
    assert apart == ["f0", "r0"]
    assert [row.file for row in parts["dev"]] == ["r0", "r1", "f1"]
    assert [row.file for row in parts["train"]] == ["f0"]


def test_a_manifest_is_gathered_and_what_was_put_together_is_logged(manifest: Path, cache: TrackCache) -> None:
    lines: list[Mapping[str, object]] = []
    told = replace(options(), manifest=manifest, cache=cache.folder, split="train", workers=0, quiet=True)
    parts = gather(told, lines.append)
    assert sum(len(part) for part in parts.values()) == 6
    # all real clips are of one picture or of its mirror image: two people, as far as anybody can see
    assert len({row.group for part in parts.values() for row, _ in part if not row.fake}) == 2
    assert "2 files were the same to the byte, and were put together" in str(lines[0]["together"])
    apart = gather(replace(told, join=False), lines.append)
    assert len({row.group for part in apart.values() for row, _ in part}) == 6
    assert json.dumps(lines)


def test_a_folder_is_gathered_and_one_without_any_face_refused(tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "real").mkdir(parents=True)
    (folder / "real" / "black.mp4").write_bytes((manifest.parent / "empty.mp4").read_bytes())
    (folder / "real" / "broken.mp4").write_bytes(b"no video")
    told = replace(options(), manifest=folder, cache=tmp_path / "faces", workers=0, quiet=True)
    with pytest.raises(ConfigError, match=r"not one of 2 files has a usable face: real/black\.mp4"):
        gather(told, lambda _: None)
    (folder / "real" / "good.mp4").write_bytes((manifest.parent / "clip0.mp4").read_bytes())
    parts = gather(told, lambda _: None)
    assert [row.file for part in parts.values() for row, _ in part] == ["real/good.mp4"]
