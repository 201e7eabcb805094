from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from analyzer.training.data.folder import folder_rows


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_what_is_below_real_is_real_and_below_fake_made_by_its_folder(tmp_path: Path) -> None:
    folder = filled(
        tmp_path, "real/b.MP4", "real/deep/er/a.jpg", "fake/swap/1.webm", "fake/swap/more/2.mov", "fake/loose.mkv",
        "real/notes.txt", "real/.hidden.mp4", "real/.cache/x.mp4", "other/y.mp4",
    )  # fmt: skip
    rows = folder_rows(folder)
    assert [(row.file, row.fake, row.method, row.group) for row in rows] == [
        ("real/b.MP4", False, "real", "real/b.MP4"),
        ("real/deep/er/a.jpg", False, "real", "real/deep/er/a.jpg"),
        ("fake/loose.mkv", True, "fake", "fake/loose.mkv"),
        ("fake/swap/1.webm", True, "swap", "fake/swap/1.webm"),
        ("fake/swap/more/2.mov", True, "swap", "fake/swap/more/2.mov"),
    ]
    assert rows[0].path == folder / "real/b.MP4"


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "found no real video"), (("fake/x/a.mp4", "fake/x/b.mp4"), "found 2 fakes and no real"),
     (("real/a.txt",), "found no real video"), (("a.mp4",), "put real videos and pictures below real/")],
    ids=["empty", "only fakes", "no videos", "loose files"],
)  # fmt: skip
def test_a_folder_without_anything_real_is_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        folder_rows(filled(tmp_path, *names))


def test_a_link_that_leads_back_up_is_not_followed(tmp_path: Path) -> None:
    filled(tmp_path, "real/a.mp4")
    (tmp_path / "real/loop").symlink_to(tmp_path, target_is_directory=True)
    assert [row.file for row in folder_rows(tmp_path)] == ["real/a.mp4"]


def test_ten_thousand_files_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    for index in range(10_000):
        (folder / f"{index:05d}.mp4").touch()
    assert len(folder_rows(tmp_path)) == 10_000
