from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analyzer.datatypes import FaceCrop, WindowUpdate
from analyzer.errors import ConfigError, ScorerError, WeightsError
from analyzer.evaluation.sections.cells import SIX, SOURCE, cell_named, chosen_cells
from analyzer.evaluation.sections.robustness import (
    Deliver,
    Delivered,
    Grid,
    Results,
    Rule,
    cell_figures,
    run_robustness,
    steadiness,
)
from analyzer.evaluation.sections.workers import MakeTools, Tools
from analyzer.faces.detector import YuNetDetector
from analyzer.training.data.manifest import Row
from analyzer.video.video import analyze_video
from tests.analyzer.evaluation.tables import a_row
from tests.fakes import FakeScorer
from tests.videos import moving_face, write_video

INFO = FakeScorer().info


def tools(scorer: FakeScorer) -> MakeTools:
    return lambda: Tools(scorer, YuNetDetector())


def video_row(path: Path, *, fake: bool = False) -> Row:
    return Row(path.name, path, fake, "method", "", "swap", path.stem)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """A real face in the shade, and one so bright that the fake scorer calls it fake."""
    folder = tmp_path_factory.mktemp("videos")
    dull = write_video(folder / "real.mp4", (picture // 2 for picture in moving_face(24, (240, 200))))
    bright = write_video(folder / "fake.mp4", (picture // 2 + 120 for picture in moving_face(24, (240, 200))))
    return [video_row(dull), video_row(bright, fake=True)]


def made_up(scores: dict[str, list[float | None]], fakes: int) -> tuple[list[Row], Results]:
    """Rows r0, r1 ... of which the last `fakes` are fake, and what each scored in each cell."""
    count = len(next(iter(scores.values())))
    rows = [a_row(f"r{i}", fake=i >= count - fakes) for i in range(count)]
    results = {
        (row.path, cell): Delivered(score, None if score is not None else "no_faces: none")
        for cell, each in scores.items()
        for row, score in zip(rows, each, strict=True)
    }
    return rows, results


def test_figures_of_a_cell_equal_those_by_hand() -> None:
    rows, results = made_up(
        {"src": [0.1, 0.6, 0.2, None, 0.9, 0.7, 0.8], "crf32": [0.1, 0.7, 0.6, 0.9, 0.4, 0.8, None]}, fakes=3
    )
    source = cell_figures(rows, SOURCE, results, 0.5)
    assert (source.n_real, source.n_fake, source.auc, source.fpr, source.tpr) == (3, 3, 1.0, 1 / 3, 1.0)
    assert (source.auc_loss, source.verdict_kept, source.not_scored, source.note) == (None, None, 1, "1 x no_faces")
    # of three sources of which none was missed, and one was flagged: as in section A
    assert source.tpr_ci == pytest.approx((0.025 ** (1 / 3), 1.0))
    assert source.fpr_ci is not None
    assert source.fpr_ci[0] <= 1 / 3 <= source.fpr_ci[1]
    here = cell_figures(rows, cell_named("crf32"), results, 0.5)
    assert (here.n_real, here.n_fake) == (4, 2)
    assert here.auc == pytest.approx(4 / 8)  # .4 beats one of four, .8 three
    assert here.fpr == pytest.approx(3 / 4)
    # what follows is over the three real and two fake files scored both ways
    assert here.auc_loss == pytest.approx(1 - 4 / 6)
    assert (here.flagged_real, here.flagged_real_before, here.fpr_growth) == (2, 1, 2.0)
    assert here.verdict_kept == pytest.approx(3 / 5)
    assert (here.not_scored, here.note) == (1, "1 x no_faces")
    assert (here.axis, here.level, here.key) == ("h264-crf", "32", "crf32")


def test_a_cell_in_which_nothing_was_scored_has_no_figures_but_counts() -> None:
    rows, results = made_up({"src": [0.1, 0.9], "face48": [None, None]}, fakes=1)
    here = cell_figures(rows, cell_named("face48"), results, 0.5)
    assert (here.auc, here.fpr, here.auc_loss, here.verdict_kept, here.fpr_growth) == (None,) * 5
    assert (here.n_real, here.n_fake, here.not_scored) == (0, 0, 2)
    assert (here.fpr_ci, here.tpr_ci) == (None, None)


def test_no_false_positive_before_has_no_growth_factor_but_counts() -> None:
    rows, results = made_up({"src": [0.1, 0.2, 0.9], "crf40": [0.6, 0.2, 0.9]}, fakes=1)
    here = cell_figures(rows, cell_named("crf40"), results, 0.5)
    assert (here.fpr_growth, here.flagged_real, here.flagged_real_before) == (None, 1, 0)


def test_a_verdict_is_kept_only_if_all_six_agree() -> None:
    scores: dict[str, list[float | None]] = {"src": [0.1, 0.2, 0.9, 0.8]}
    scores |= {key: [0.1, 0.2, 0.9, 0.8] for key in SIX}
    scores["crf32"] = [0.7, 0.2, 0.9, 0.8]  # the first one changes
    scores["face96"] = [0.1, 0.2, 0.9, None]  # the last one is lost
    rows, results = made_up(scores, fakes=2)
    found = steadiness(rows, results, 0.5, ["src", *SIX])
    assert found is not None
    assert (found.n, found.not_scored) == (3, 1)
    assert found.kept == pytest.approx(2 / 3)
    assert found.kept_ci is not None
    assert found.kept_ci[0] < 2 / 3 <= found.kept_ci[1]
    assert steadiness(rows, results, 0.5, ["src", "crf32"]) is None


def test_videos_are_delivered_and_scored_by_the_serving_code(videos: list[Row]) -> None:
    scorer = FakeScorer()
    report = run_robustness(videos, tools(scorer), INFO, grid=Grid(chosen_cells("crf32,face96,jitter4,dark1"), 6.0))
    assert [cell.key for cell in report.cells] == ["src", "crf32", "face96", "dark1", "jitter4"]
    for cell in report.cells:
        assert (cell.n_real, cell.n_fake, cell.auc) == (1, 1, 1.0)
    source, dark = report.cells[0], report.cells[3]
    assert (source.tpr, source.fpr) == (1.0, 0.0)
    assert dark.tpr == 0.0  # the fake scorer goes by brightness
    assert dark.verdict_kept == 0.5
    assert {cell.seconds for cell in report.cells} == {report.seconds} == {6.0}
    assert report.seconds_per_video_cell is not None
    assert not scorer.windows  # nothing is left behind
    assert report.steadiness is None


def test_videos_that_cannot_be_used_cost_only_themselves(videos: list[Row], tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video" * 100)
    (tmp_path / "empty.mp4").touch()
    write_video(tmp_path / "faceless.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 20)
    os.mkfifo(tmp_path / "pipe.mp4")
    names = ("broken.mp4", "empty.mp4", "faceless.mp4", "pipe.mp4", "missing.mp4", "a\0b.mp4", "picture.png")
    rows = [*(video_row(tmp_path / name) for name in names), *videos]
    grid = Grid(chosen_cells("crf32"), 6.0, work=tmp_path / "work")
    report = run_robustness(rows, tools(FakeScorer()), INFO, grid=grid)
    assert [(cell.n_real, cell.n_fake) for cell in report.cells] == [(1, 1), (1, 1)]
    assert report.cells[0].not_scored == 6
    assert report.cells[0].note == "3 x bad_media, 2 x not_a_video, 1 x no_faces"
    assert report.cells[1].not_scored == 0  # nothing of it is this cell's doing
    lines = (tmp_path / "work" / "deliveries.jsonl").read_text()
    for code in ("not_a_video", "no_faces", "bad_media"):
        assert f'"{code}: ' in lines


class StopsAfter(FakeScorer):
    """As if somebody pressed Ctrl-C, or the device failed, at the nth push."""

    def __init__(self, pushes: int, error: BaseException) -> None:
        super().__init__()
        self.left, self.error = pushes, error

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().push(crops)


def test_a_run_that_was_cut_off_goes_on_where_it_was(videos: list[Row], tmp_path: Path) -> None:
    cells = chosen_cells("crf32,crf40")
    grid = Grid(cells, 6.0, work=tmp_path)
    whole = run_robustness(videos, tools(FakeScorer()), INFO, grid=Grid(cells, 6.0))
    alone = FakeScorer()
    run_robustness(videos[:1], tools(alone), INFO, grid=Grid(cells[:1], 6.0))
    each = len(alone.pushed)
    with pytest.raises(KeyboardInterrupt):
        run_robustness(videos, tools(StopsAfter(3 * each + 1, KeyboardInterrupt())), INFO, grid=grid)
    rest = FakeScorer()
    assert run_robustness(videos, tools(rest), INFO, grid=grid).cells == whole.cells
    assert 0 < len(rest.pushed) <= 4 * each
    nothing = FakeScorer()
    again = run_robustness(videos, tools(nothing), INFO, grid=grid)
    assert again.cells == whole.cells
    assert again.seconds_per_video_cell is None
    assert not nothing.pushed


def test_other_seconds_are_other_results(videos: list[Row], tmp_path: Path) -> None:
    for seconds in (6.0, 1.0):
        scorer = FakeScorer()
        run_robustness(videos[:1], tools(scorer), INFO, grid=Grid((SOURCE,), seconds, work=tmp_path))
        assert scorer.pushed


def test_other_recipes_and_twins_in_size_are_other_results(
    videos: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid((SOURCE,), 1.0, work=tmp_path / "work")
    scorer = FakeScorer()
    run_robustness(videos[:1], tools(scorer), INFO, grid=grid)
    each = len(scorer.pushed)
    # by size, first and last MiB it is the same file
    twin = video_row(Path(shutil.copy2(videos[0].path, tmp_path / "twin.mp4")), fake=True)
    run_robustness([videos[0], twin], tools(scorer), INFO, grid=grid)
    assert len(scorer.pushed) == 2 * each
    monkeypatch.setattr("analyzer.evaluation.sections.robustness.recipes_digest", lambda: "another recipe")
    run_robustness(videos[:1], tools(scorer), INFO, grid=grid)
    assert len(scorer.pushed) == 3 * each


def test_a_result_that_somebody_edited_is_measured_again(videos: list[Row], tmp_path: Path) -> None:
    grid = Grid((SOURCE,), 6.0, work=tmp_path)
    before = run_robustness(videos, tools(FakeScorer()), INFO, grid=grid)
    path = tmp_path / "deliveries.jsonl"
    path.write_text(path.read_text().replace('"fake_probability": 0.', '"fake_probability": 7.'))
    assert run_robustness(videos, tools(FakeScorer()), INFO, grid=grid).cells == before.cells


def test_work_can_be_sent_to_another_process(videos: list[Row]) -> None:
    task = Deliver(videos[0].path, "crf32", 6.0, "windows")
    assert pickle.loads(pickle.dumps(task)) == task
    result = Delivered(None, "no_faces: none", left_as_is=True)
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_scorer_that_fails_ends_the_run(videos: list[Row]) -> None:
    with pytest.raises(ScorerError, match="device"):
        run_robustness(videos, tools(StopsAfter(0, ScorerError("device"))), INFO, grid=Grid((SOURCE,)))


def test_nothing_is_measured_without_weights_or_seconds(videos: list[Row]) -> None:
    with pytest.raises(WeightsError, match="no trained weights"):
        run_robustness(videos, tools(FakeScorer()), FakeScorer(trained=False).info)
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="seconds"):
            run_robustness(videos, tools(FakeScorer()), INFO, Rule(), Grid(seconds=seconds))


def test_the_source_cell_scores_a_short_video_as_an_upload_is_scored(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving_face(40, (240, 200)), fps=30)
    report = run_robustness([video_row(path)], tools(FakeScorer()), INFO, grid=Grid((SOURCE,), 6.0, work=tmp_path))
    kept = json.loads((tmp_path / "deliveries.jsonl").read_text())
    upload = analyze_video(path, detector=YuNetDetector(), scorer=FakeScorer())
    assert kept["fake_probability"] == pytest.approx(upload.raw_score, abs=1e-3)  # times are in whole milliseconds
    assert report.cells[0].n_real == 1
