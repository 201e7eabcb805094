from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from analyzer.training.data.manifest import (
    Row,
    Shares,
    check_places,
    chosen_rows,
    count_kinds,
    read_manifest,
    read_places,
    share_out,
)

HEADER = "file\tkind\tmethod\tsplit\tfamily\tgroup\n"


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "list.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_rows_are_read_with_paths_beside_the_manifest_and_other_columns_ignored(tmp_path: Path) -> None:
    path = written(tmp_path, "method\tfile\tcolour\tkind\nFOMM\ta/b.mp4\tred\tFake\n\tc.jpg\tred\treal\n")
    fake, real = read_manifest(path)
    assert fake == Row("a/b.mp4", tmp_path / "a/b.mp4", True, "FOMM", "", "FOMM", "a/b.mp4")
    assert (real.method, real.is_picture, fake.is_picture) == ("real", True, False)


def test_quotes_and_a_byte_order_mark_are_no_trouble(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufefffile\tkind\tmethod\n"odd" name.mp4\treal\tit\'s\n')
    assert read_manifest(path)[0].file == '"odd" name.mp4'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "manifest is empty"),
        (" \n\n", "manifest is empty"),
        (HEADER, "no rows below the header"),
        ("file,kind,method\na.mp4,real,x\n", "missing file, kind, method"),
        ("file\tmethod\na.mp4\tx\n", "missing kind"),
        (HEADER + "a.mp4\tperhaps\tx\n", "line 2: expected kind real or fake, got 'perhaps'"),
        (HEADER + "a.mp4\treal\tx\n\treal\tx\n", "line 3: the column `file` is empty"),
        (b"\x00\x00\x00\x18ftypmp42\xff\xfe\x80", "got binary data"),
        (b"file\tkind\tmethod\n\0\treal\tx\n", "got binary data"),
    ],
    ids=["0 bytes", "blank", "header only", "commas", "no kind", "bad kind", "no file", "a video", "a zero byte"],
)
def test_a_bad_manifest_is_refused_with_what_is_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_manifest(written(tmp_path, text))


def test_a_missing_manifest_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.tsv: cannot read"):
        read_manifest(tmp_path / "none.tsv")
    with pytest.raises(ConfigError, match="cannot read"):
        read_manifest(tmp_path)


def test_several_splits_are_given_with_commas(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "".join(f"{name}.mp4\treal\tx\t{name}\n" for name in ("train", "val", "val2")))
    assert [row.split for row in read_manifest(path, "val2, val")] == ["val", "val2"]
    with pytest.raises(ConfigError, match="no rows of split 'test'; it has train, val, val2"):
        read_manifest(path, "val,test")


def test_an_unknown_split_says_which_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "a.mp4\treal\tx\ttrain\n")
    assert len(read_manifest(path, "train")) == 1
    with pytest.raises(ConfigError, match="no rows of split 'val'; it has train"):
        read_manifest(path, "val")


def rows(count: int, per_group: int = 3) -> list[Row]:
    return [Row(f"{i}", Path(f"{i}"), i % 2 == 0, "m", "", "f", f"group{i // per_group}") for i in range(count)]


def test_no_group_is_ever_in_two_parts_and_every_row_in_one() -> None:
    parts = share_out(rows(900), seed=1)
    groups = [{row.group for row in part} for part in parts.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert sum(len(part) for part in parts.values()) == 900
    assert 60 < len(parts["dev"]) < 160
    assert 60 < len(parts["calibration"]) < 160


def test_sharing_out_depends_on_the_seed_but_not_on_the_other_rows() -> None:
    assert share_out(rows(90), 1) == share_out(rows(90), 1) != share_out(rows(90), 2)
    few, many = share_out(rows(30), 1), share_out(rows(90), 1)
    assert all(set(few[part]) <= set(many[part]) for part in few)


def test_groups_placed_by_hand_stay_there() -> None:
    parts = share_out(rows(9), 1, Shares(placed={"group0": "dev", "group1": "calibration", "group2": "train"}))
    assert {name: len(part) for name, part in parts.items()} == {"train": 3, "window": 0, "dev": 3, "calibration": 3}
    with pytest.raises(ConfigError, match="not in val"):
        share_out(rows(9), 1, Shares(placed={"group0": "val"}))


def split(row: Row, name: str) -> Row:
    return replace(row, split=name)


def test_rows_of_a_held_out_split_place_their_group_and_nothing_is_drawn_into_that_part() -> None:
    many = [split(row, "dev" if row.group in {"group3", "group4"} else "train") for row in rows(300)]
    parts = share_out(many, 1, Shares(window=0.25))
    assert {row.group for row in parts["dev"]} == {"group3", "group4"}
    assert parts["calibration"]
    assert 30 < len(parts["window"]) < 100
    by_hand = share_out(many, 1, Shares(placed={"group3": "train"}))
    assert {row.group for row in by_hand["dev"]} == {"group4"}


def test_another_share_of_windows_moves_nothing_that_is_held_out() -> None:
    without, some = share_out(rows(900), 1), share_out(rows(900), 1, Shares(window=0.25))
    assert (without["dev"], without["calibration"]) == (some["dev"], some["calibration"])
    assert without["window"] == []
    assert set(some["train"]) < set(without["train"])


def test_a_group_of_two_splits_is_refused_unless_it_is_placed_by_hand() -> None:
    torn = [split(row, name) for row, name in zip(rows(2), ("train", "dev"), strict=True)]
    with pytest.raises(ConfigError, match=r"'group0' \(dev: 1, train: 0\).*--place"):
        share_out(torn, 1)
    assert len(share_out(torn, 1, Shares(placed={"group0": "dev"}))["dev"]) == 2


def test_validation_rows_are_never_trained_from_unless_asked_for(tmp_path: Path) -> None:
    lines = [f"{name}.mp4\treal\tx\t{name}\n" for name in ("train", "val", "dev", "calibration", "window")]
    path = written(tmp_path, HEADER + "".join(lines))
    assert [row.split for row in chosen_rows(path, None)] == ["train", "dev", "calibration", "window"]
    assert [row.split for row in chosen_rows(path, "val")] == ["val"]


def of_splits(tmp_path: Path, *splits: str) -> Path:
    return written(tmp_path, HEADER + "".join(f"{i}.mp4\treal\tx\t{name}\n" for i, name in enumerate(splits)))


@pytest.mark.parametrize(
    ("splits", "kept"),
    [(("", "val", "val"), ["0.mp4"]), (("", "", "dev"), ["0.mp4", "1.mp4", "2.mp4"]), (("", ""), ["0.mp4", "1.mp4"])],
    ids=["some for validation", "some for dev", "no splits"],
)
def test_rows_without_a_split_are_trained_from(tmp_path: Path, splits: tuple[str, ...], kept: list[str]) -> None:
    assert [row.file for row in chosen_rows(of_splits(tmp_path, *splits), None)] == kept


def test_where_every_row_is_of_another_split_it_is_said_what_to_do(tmp_path: Path) -> None:
    path = of_splits(tmp_path, "val", "test")
    with pytest.raises(ConfigError, match=r"its splits are test, val\. Leave the column `split` empty.*--split"):
        chosen_rows(path, None)
    assert len(read_manifest(path)) == 2  # what is measured is all of them
    with pytest.raises(ConfigError, match="no rows of split 'val'; it has dev, rows without a split"):
        read_manifest(of_splits(tmp_path, "dev", ""), "val")


def test_rows_without_a_split_go_where_their_group_goes() -> None:
    some = [split(row, name) for row, name in zip(rows(3), ("", "dev", ""), strict=True)]
    assert len(share_out(some, 1)["dev"]) == 3


def test_placing_a_group_that_there_is_not_is_an_error_that_names_five() -> None:
    check_places({"group0": "dev", "group2": "train"}, rows(9))
    with pytest.raises(ConfigError, match=r"of the group 'grup0' that is .* column `group`, or in `file`"):
        check_places({"group0": "dev", "grup0": "dev"}, rows(9))
    with pytest.raises(ConfigError, match=r"'0', '1', '2', '3', '4' \(and 2 more\)"):
        check_places({str(i): "dev" for i in range(7)}, rows(9))


def test_places_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    path = written(tmp_path, "# by hand\n\na b\tdev\nc\ttrain\nc\ttrain\n")
    assert read_places(path) == {"a b": "dev", "c": "train"}
    for text, message in (
        ("a b dev\n", "line 1: expected a group, a tab"),
        ("a\tval\n", "line 1: expected a group"),
        ("\tdev\n", "line 1: expected a group"),
        ("a\tdev\na\ttrain\n", "line 2: 'a' was put into dev before"),
        (b"\0\0", "binary data"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_places(written(tmp_path, text))
    with pytest.raises(ConfigError, match="cannot read"):
        read_places(tmp_path / "none")


def test_kinds_are_counted() -> None:
    assert count_kinds(rows(5)) == (2, 3)


def test_the_source_is_taken_from_either_of_two_columns(tmp_path: Path) -> None:
    for column in ("source", "repository"):
        path = tmp_path / "manifest.tsv"
        path.write_text(f"file\tkind\tmethod\t{column}\na.mp4\treal\tnone\tarchive\n")
        assert read_manifest(path)[0].source == "archive"
