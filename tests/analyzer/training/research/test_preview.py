from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError, MediaError
from analyzer.faces.geometry import Landmarks
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.pseudofakes.synthesis import FAMILIES, STILL_FAMILIES
from analyzer.training.research.preview import DELIVERIES, STRIP_CLIPS, write_sheets

Found = tuple[Row, Track]


def read(path: Path) -> Pixels:
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def still_of(found: list[Found]) -> Found:
    """A file of one face, as a picture gives."""
    row, track = found[0]
    short = replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1])
    return replace(row, file="still.png", method="stills"), short


@pytest.fixture(scope="module")
def sheets(found: list[Found], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sheets(found, tmp_path_factory.mktemp("sheets") / "new", quiet=True, rows=2)


def test_every_family_gets_a_sheet_and_every_one_that_may_change_over_time_a_strip(sheets: list[Path]) -> None:
    strips = [f"{family}-window" for family in FAMILIES if family != "F1"]
    assert {path.stem for path in sheets} == {*FAMILIES, *strips, "degradation", "index"}
    assert all(path.is_file() for path in sheets)
    assert sheets[-1].name == "index.html"


def test_with_painters_there_is_a_sheet_of_whole_painted_pictures(found: list[Found], tmp_path: Path) -> None:
    def softened(pictures: Sequence[Pixels]) -> list[Pixels]:
        return [np.asarray(cv2.blur(picture, (5, 5)), np.uint8) for picture in pictures]

    made = write_sheets(found, tmp_path, quiet=True, rows=1, painters=[softened])
    assert {"painted", "painted-window"} <= {path.stem for path in made}


def test_sheets_are_at_most_1600_px_wide_and_show_as_many_rows_as_asked(sheets: list[Path]) -> None:
    shapes = {path.stem: read(path).shape for path in sheets[:-1]}
    assert all(shape[1] <= 1600 for shape in shapes.values())
    assert all(2 * 256 < shapes[family][0] < 3 * 256 + 100 for family in FAMILIES)
    assert 3 * STRIP_CLIPS * 192 < shapes["F4-window"][0] < 3 * (STRIP_CLIPS + 1) * 192
    assert shapes["degradation"][0] > DELIVERIES // 6 * 256


def test_a_sheet_shows_pictures_and_not_one_colour(sheets: list[Path]) -> None:
    for path in sheets[:-1]:
        first = read(path)[26 : 26 + 192, :192]
        assert first.std() > 20


def test_the_page_holds_every_sheet_and_loads_nothing(sheets: list[Path]) -> None:
    page = sheets[-1].read_text(encoding="utf-8")
    assert page.count("<img ") == len(sheets) - 1
    assert not re.findall(r"(?:src|href)=['\"](?!data:)", page)
    assert "http" not in page
    assert "<script" not in page


def test_the_same_seed_draws_the_same_faces_and_another_seed_others(
    sheets: list[Path], found: list[Found], tmp_path: Path
) -> None:
    def strips(paths: list[Path]) -> list[bytes]:
        return [path.read_bytes() for path in paths if path.stem.endswith("-window")]

    assert strips(write_sheets(found, tmp_path / "again", quiet=True, rows=1)) == strips(sheets)
    assert strips(write_sheets(found, tmp_path / "other", seed=1, quiet=True, rows=1)) != strips(sheets)


def test_pictures_alone_get_the_sheets_of_families_that_show_in_a_picture(found: list[Found], tmp_path: Path) -> None:
    made = write_sheets([still_of(found)], tmp_path, quiet=True, rows=3)
    assert {path.stem for path in made} == {*STILL_FAMILIES, "degradation", "index"}


def test_pictures_are_shown_beside_clips(found: list[Found], tmp_path: Path) -> None:
    class Watched(Track):
        shown = False

        def frames(self, indices: object) -> list[Pixels]:
            Watched.shown = True
            return Track.frames(self, indices)  # type: ignore[arg-type]  # only passed on

    row, track = still_of(found)
    watched = Watched(track.jpegs, track.landmarks, track.at_s, track.side)
    write_sheets([*found, (row, watched)], tmp_path, quiet=True, rows=3)
    assert Watched.shown


def test_only_the_tracks_that_are_shown_are_decoded(found: list[Found], tmp_path: Path) -> None:
    decoded: set[int] = set()

    class Counted(Track):
        def frames(self, indices: object) -> list[Pixels]:
            decoded.add(id(self))
            return Track.frames(self, indices)  # type: ignore[arg-type]  # only passed on

    row, track = next(one for one in found if not one[0].fake)
    many = [(row, Counted(track.jpegs, track.landmarks, track.at_s, track.side)) for _ in range(200)]
    write_sheets(many, tmp_path, quiet=True, rows=1)
    assert len(decoded) <= 1 + STRIP_CLIPS + len(FAMILIES) * 2  # the donors with them


def test_without_a_real_face_there_is_nothing_to_show(found: list[Found], tmp_path: Path) -> None:
    fakes = [one for one in found if one[0].fake]
    for rows in (fakes, []):
        with pytest.raises(ConfigError, match="need real faces"):
            write_sheets(rows, tmp_path / "sheets", quiet=True)
    assert not (tmp_path / "sheets").exists()


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_folder_that_cannot_be_written_to_is_named(found: list[Found], tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"taken.*cannot be written"):
        write_sheets(found, tmp_path / place, quiet=True, rows=1)


@pytest.mark.parametrize("rows", [0, -1, 61])
def test_rows_out_of_range_are_refused(found: list[Found], tmp_path: Path, rows: int) -> None:
    with pytest.raises(ConfigError, match="1 to 60 rows"):
        write_sheets(found, tmp_path, quiet=True, rows=rows)


def test_names_of_any_script_and_length_do_no_harm(found: list[Found], tmp_path: Path) -> None:
    row, track = still_of(found)
    odd = replace(row, file="пример/" + "ü<b>" * 100 + ".png", method="<script>" + "方" * 300)
    page = write_sheets([(odd, track)], tmp_path, quiet=True, rows=1)[-1].read_text(encoding="utf-8")
    assert "<script" not in page


def test_a_damaged_face_says_what_to_do(found: list[Found], tmp_path: Path) -> None:
    row, track = still_of(found)
    with pytest.raises(MediaError, match="build it again"):
        write_sheets([(row, replace(track, jpegs=(b"no picture",)))], tmp_path, quiet=True, rows=1)


def test_landmarks_outside_of_the_picture_are_survived(
    found: list[Found], landmarks: Landmarks, tmp_path: Path
) -> None:
    row, track = still_of(found)
    away = replace(track, landmarks=np.asarray(landmarks[None] + 5000, np.float32))
    assert write_sheets([(row, away)], tmp_path, quiet=True, rows=1)
