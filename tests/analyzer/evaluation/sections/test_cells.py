from __future__ import annotations

import re
from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from analyzer.evaluation.sections.cells import CELLS, SIX, SOURCE, Cell, cell_named, chosen_cells, recipes_digest
from analyzer.evaluation.sections.redelivery import Known, look_at, redeliver
from analyzer.faces.detector import YuNetDetector
from analyzer.video.video_file import VideoFile
from tests.videos import moving_face, write_video

BY_KEY = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.key)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("cells") / "clip.mp4", moving_face(25, (480, 400), face_px=140))


@pytest.fixture(scope="module")
def known(clip: Path) -> Known:
    return look_at(clip, 6.0, YuNetDetector())


@BY_KEY
def test_every_cell_gives_a_video_that_the_serving_code_reads(
    cell: Cell, clip: Path, known: Known, tmp_path: Path
) -> None:
    recipe = cell.make(known)
    with VideoFile(redeliver(clip, recipe, known, tmp_path, 6.0)) as video:
        frames = list(video.frames())
    expected = {"fps12": 12, "fps6": 6}.get(cell.key, 25)
    assert len(frames) == pytest.approx(expected, abs=1) or (cell.axis == "loss" and 5 <= len(frames) <= 25)
    width, height = frames[0].video_frame.width, frames[0].video_frame.height
    assert width / height == pytest.approx(1.2, rel=0.02)
    shorter = {"300k-360p": 360, "150k-360p": 360, "vp8-300k": 360}.get(cell.key, 400)
    assert cell.axis == "face" or height == shorter


@pytest.mark.parametrize("key", ["vp8-300k", "300k-360p", "loss5", "dark2", "beauty1"])
def test_a_video_is_delivered_the_same_way_each_time(key: str, clip: Path, known: Known, tmp_path: Path) -> None:
    def pictures(folder: Path) -> list[bytes]:
        folder.mkdir()
        with VideoFile(redeliver(clip, cell_named(key).make(known), known, folder, 6.0)) as video:
            return [one.video_frame.to_ndarray().tobytes() for one in video.frames()]

    assert pictures(tmp_path / "once") == pictures(tmp_path / "again")


@pytest.mark.parametrize("side", [128, 96, 64])
def test_faces_arrive_as_wide_as_the_cell_says(side: int, clip: Path, known: Known, tmp_path: Path) -> None:
    arrived = redeliver(clip, cell_named(f"face{side}").make(known), known, tmp_path, 6.0)
    assert look_at(arrived, 6.0, YuNetDetector()).face_px == pytest.approx(side, rel=0.08)


@BY_KEY
def test_nothing_is_ever_enlarged(cell: Cell) -> None:
    small = Known(160, 120, 5.0, 40.0, 0)
    recipe = cell.make(small)
    assert recipe.scale == 1
    assert recipe.untouched == (cell.axis in {"face", "frame rate"})


@BY_KEY
def test_a_video_without_faces_can_be_delivered_too(cell: Cell) -> None:
    recipe = cell.make(Known(1280, 720, 30.0, None, 0))
    assert 0 < recipe.scale <= 1


def test_rates_are_kept(known: Known, tmp_path: Path) -> None:
    source = write_video(tmp_path / "long.mp4", moving_face(50, (480, 400), face_px=140))
    for key, rate in (("300k-360p", 300_000), ("150k-360p", 150_000), ("vp8-300k", 300_000)):
        arrived = redeliver(source, cell_named(key).make(known), known, tmp_path, 6.0)
        assert arrived.stat().st_size * 8 / 2 < 1.6 * rate  # the first second may take what its buffer holds


def test_names_are_what_the_protocol_calls_them() -> None:
    assert [cell.key for cell in CELLS] == [
        "src", "crf23", "crf28", "crf32", "crf36", "crf40", "600k-480p", "300k-360p", "150k-360p",
        "face128", "face96", "face64", "face48", "fps12", "fps6", "loss2", "loss5", "loss10",
        "dark1", "dark2", "beauty1", "beauty2", "jitter2", "jitter4", "jitter8", "vp8-300k",
    ]  # fmt: skip
    assert [cell.place for cell in CELLS].count(0) == 1
    assert len({(cell.axis, cell.level) for cell in CELLS}) == len(CELLS)
    assert set(SIX) <= {cell.key for cell in CELLS}


def test_cells_are_chosen_by_name_in_the_grids_order_with_the_source() -> None:
    assert [cell.key for cell in chosen_cells("face96, crf32,,crf32")] == ["src", "crf32", "face96"]
    assert chosen_cells(None) == CELLS
    assert chosen_cells("") == (SOURCE,)
    with pytest.raises(ConfigError, match=r"no cell 'crf99'.*crf32"):
        chosen_cells("crf32,crf99")


def test_the_code_of_deliveries_has_a_digest() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", recipes_digest())
