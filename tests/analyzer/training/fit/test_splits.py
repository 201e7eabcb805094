from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analyzer.errors import ConfigError
from analyzer.training.data.dataset import Track, TrackCache
from analyzer.training.data.leakage_groups import join_groups
from analyzer.training.data.manifest import Row
from analyzer.training.fit.options import TrainOptions
from analyzer.training.fit.splits import gather, lacking, share_joined


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
    assert apart == [{"train": ["f0"], "dev": ["r0"]}]
    assert [row.file for row in parts["dev"]] == ["r0", "r1", "f1"]
    assert [row.file for row in parts["train"]] == ["f0"]


def test_a_manifest_is_gathered_and_what_was_put_together_is_logged(manifest: Path, cache: TrackCache) -> None:
    lines: list[Mapping[str, object]] = []
    told = replace(options(placed={"g0": "train"}), manifest=manifest, cache=cache.folder, workers=0, quiet=True)
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


def told_of(manifest: Path, cache: TrackCache, **placed: str) -> TrainOptions:
    groups = {f"g{i}": "train" for i in range(6)} | placed
    return replace(options(placed=groups), manifest=manifest, cache=cache.folder, workers=0, join=False)


def test_what_is_in_each_part_is_told_with_what_is_missing(
    manifest: Path, cache: TrackCache, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[Mapping[str, object]] = []
    gather(told_of(manifest, cache, g2="calibration", g3="dev"), lines.append)
    told = capsys.readouterr().err
    assert "train: 2 real (2 clips, 0 pictures), 2 fake (2 clips, 0 pictures), 4 groups\n" in told
    assert "dev: 1 real (1 clips, 0 pictures), 0 fake (0 clips, 0 pictures), 1 groups\n" in told
    assert "warning: dev has no fake: there will be no figures on fakes of yours" in told
    assert "calibration has no real face" not in told
    assert any("dev has no fake" in str(line.get("warning")) for line in lines)
    gather(replace(told_of(manifest, cache, g2="calibration", g3="dev"), quiet=True), lines.append)
    assert capsys.readouterr().err == ""


def test_when_nothing_real_is_left_to_train_on_it_is_said_who_took_it(manifest: Path, cache: TrackCache) -> None:
    away = told_of(manifest, cache, g0="dev", g1="dev", g2="calibration", g3="window")
    with pytest.raises(ConfigError, match=r"of 4 groups with real faces window took 1, dev took 2, calibration took 1"):
        gather(replace(away, quiet=True), lambda _: None)
    parts = gather(replace(away, quiet=True, stages="C"), lambda _: None)  # calibration needs no train
    assert len(parts["dev"]) == 2


def of_parts(**kinds: str) -> dict[str, list[tuple[Row, Track]]]:
    """By part a letter for each file: r real, f fake."""
    track = Track((), np.zeros((0, 5, 2), np.float32), np.zeros(0), 256)
    empty = dict.fromkeys(("train", "window", "dev", "calibration"), "")
    return {
        part: [(Row(f"{part}{i}", Path("x"), kind == "f", "m", "", "f", "g"), track) for i, kind in enumerate(letters)]
        for part, letters in (empty | kinds).items()
    }


@pytest.mark.parametrize(
    ("kinds", "warned"),
    [
        ({"train": "rf", "window": "r", "dev": "rf", "calibration": "r"}, []),
        ({"train": "r", "window": "r", "dev": "r", "calibration": "r"}, []),
        ({"train": "rf", "window": "r", "dev": "r", "calibration": "r"}, ["dev has no fake", "--place"]),
        ({"train": "r", "window": "r", "calibration": "r"}, ["dev has no real", "--place"]),
        ({"train": "r", "window": "f", "dev": "r", "calibration": "f"},
         ["dev has no fake", "window has no real", "dev is used instead", "--place"]),
    ],
    ids=["all there", "no fakes anywhere", "dev without fakes", "no dev", "window and calibration without reals"],
)  # fmt: skip
def test_parts_that_lack_what_a_run_needs_are_named(kinds: dict[str, str], warned: list[str]) -> None:
    found = lacking(of_parts(**kinds), replace(options(), window_share=0.25))
    assert len(found) == len(warned)
    for warning, part in zip(found, warned, strict=True):
        assert part in warning


def test_more_lists_are_gathered_beside_the_first(tmp_path: Path, manifest: Path, cache: TrackCache) -> None:
    more = tmp_path / "marks" / "manifest.tsv"
    (more.parent / "clips").mkdir(parents=True)
    for name, clip in (("a", "clip1.mp4"), ("b", "clip5.mp4"), ("c", "clip2.mp4")):
        (more.parent / "clips" / f"{name}.mp4").write_bytes((manifest.parent / clip).read_bytes())
    more.write_text(
        "file\tkind\tmethod\tgroup\tsplit\nclips/a.mp4\treal\tx\tdoor\t\nclips/b.mp4\tfake\tx\thall\t\n"
        "clips/c.mp4\treal\tx\tdoor\tval\n"
    )
    told = replace(told_of(manifest, cache, door="dev", hall="dev"), add=(more,), split="train", quiet=True)
    dev = gather(told, lambda _: None)["dev"]
    assert [(row.file, row.fake) for row, _ in dev] == [("clips/a.mp4", False), ("clips/b.mp4", True)]
    with pytest.raises(ConfigError, match=r"'clip0\.mp4' is in another list too"):
        gather(replace(told, add=(manifest,)), lambda _: None)


def test_a_place_for_a_group_that_there_is_not_stops_the_run(tmp_path: Path, manifest: Path, cache: TrackCache) -> None:
    with pytest.raises(ConfigError, match="group 'G1' that is placed by hand"):
        gather(told_of(manifest, cache, G1="calibration"), lambda _: None)
    # a file of another split, without any face, is a row all the same
    gather(replace(told_of(manifest, cache, **{"empty.mp4": "dev"}), quiet=True), lambda _: None)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp4").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"group 'a\.mp4' .* below the folder \(real/a\.mp4\)"):
        gather(replace(options(placed={"a.mp4": "dev"}), manifest=tmp_path), lambda _: None)
