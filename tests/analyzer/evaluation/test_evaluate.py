from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from analyzer.datatypes import FaceCrop, Pixels, WindowUpdate
from analyzer.errors import ConfigError, MediaError, ScorerError, WeightsError
from analyzer.evaluation.evaluate import Outputs, Wanted, run_evaluation, summarise
from analyzer.evaluation.results.outcomes import RESULTS
from analyzer.evaluation.sections.workers import MakeTools
from analyzer.training.data.face_extraction import several_faces
from tests.analyzer.conftest import moving, write_clip
from tests.analyzer.evaluation.tables import a_card, a_judge, scored, screen, unscored
from tests.fakes import FakeScorer

PROMISED = {"n_real", "n_fake", "auc", "auc_ci", "fpr", "tpr"}
"""Of every set of files, in JSON: other programs read these."""


def test_figures_equal_those_by_hand() -> None:
    files = [
        scored("r1", 0.2, fake=False),
        scored("r2", 0.6, fake=False),
        scored("f1", 0.7, fake=True),
        scored("f2", 0.3, fake=True),
        scored("f3", 0.1, fake=True, family="lip"),
    ]
    report = summarise(files, [], judge=a_judge(), manifest="m")
    assert (report.video.n_real, report.video.n_fake) == (2, 3)
    assert report.video.auc == pytest.approx(3 / 6)  # .7 beats two, .3 beats one, .1 none
    assert report.video.rates.fpr == 0.5
    assert report.video.rates.tpr == pytest.approx(1 / 3)
    assert report.families["swap"].auc == pytest.approx(3 / 4)
    assert report.families["lip"].auc == 0
    assert report.methods["lip method"].n_real == 2
    assert report.reals["swap method"].n_real == 2


def test_the_json_has_the_promised_keys() -> None:
    files = [scored("r", 0.2, fake=False), scored("f", 0.9, fake=True)]
    report = summarise(files, [unscored("x", "bad_media")], judge=a_judge(card=a_card()), manifest="m", split="val")
    found = json.loads(report.to_json())
    for one in (found["video"], found["families"]["swap"], found["methods"]["swap method"], found["rows"]["pooled"]):
        assert one.keys() >= PROMISED
    assert found["video"]["auc"] == 1.0
    assert found["video"]["auc_ci"] == [0.025, 1.0]  # one source of each kind shows next to nothing
    assert found["threshold"] == {
        "value": 0.5, "fpr": 0.0, "tpr": 1.0, "fpr_ci": [0.0, 0.975], "tpr_ci": [0.025, 1.0],
    }  # fmt: skip
    assert found["failures"] == [{"file": "x", "fake": False, "code": "bad_media", "reason": "bad_media: why"}]
    assert found["model"]["sha256"] == "0" * 64
    assert found["run"]["seeds"] == [3]
    assert found["rows"]["replay"] is None  # a row that was not measured is there


def test_videos_are_scored_from_the_file_on_and_written(tmp_path: Path, manifest: Path) -> None:
    console, text = screen()
    out = tmp_path / "out.json"
    report = run_evaluation(manifest, a_judge(), split="train", outputs=Outputs(json=out), console=console)
    assert (report.video.n_real, report.video.n_fake) == (4, 2)
    assert not report.failures
    assert report.families.keys() == {"F5"}
    assert len(json.loads(out.read_text())["files"]) == 6
    assert "by family" in text.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_rows_that_cannot_be_scored_are_named_and_not_fatal(manifest: Path) -> None:
    path = manifest.parent / "with_picture.tsv"
    path.write_text(
        "file\tkind\tmethod\n"
        + "".join(f"{name}\treal\tx\n" for name in ("broken.mp4", "missing.mp4", "empty.mp4", "a.png"))
    )
    console, text = screen()
    report = run_evaluation(path, a_judge(), console=console)
    assert [failure.file for failure in report.failures] == ["broken.mp4", "missing.mp4", "empty.mp4", "a.png"]
    assert [failure.code for failure in report.failures] == ["not_a_video", "bad_media", "no_faces", "bad_media"]
    assert report.video.n_real == 0
    assert report.video.abstained == 1
    assert "not scored: 4" in text.getvalue()


def test_a_label_of_one_face_is_not_believed_of_a_video_that_shows_several(
    tmp_path: Path, manifest: Path, face: Pixels
) -> None:
    scene = np.hstack([face, face])
    write_clip(tmp_path / "two.mp4", moving(np.ascontiguousarray(scene), 20))
    (tmp_path / "one.mp4").write_bytes((manifest.parent / "clip0.mp4").read_bytes())
    rows = ("two.mp4\treal\tx\tone face", "one.mp4\treal\tx\tone face")
    path = tmp_path / "marks.tsv"
    path.write_text("\n".join(["file\tkind\tmethod\tlabel_of", *rows]) + "\n")
    report = run_evaluation(path, a_judge(), console=screen()[0])
    assert [one.row.file for one in report.scored] == ["one.mp4"]
    assert [one.message for one in report.failures] == [several_faces("two.mp4", 2)]
    path.write_text(path.read_text().replace("one face", ""))
    assert len(run_evaluation(path, a_judge(), console=screen()[0]).scored) == 2


def test_without_trained_weights_nothing_is_evaluated(manifest: Path) -> None:
    with pytest.raises(WeightsError, match="no trained weights"):
        run_evaluation(manifest, a_judge(FakeScorer(trained=False)))


@pytest.mark.parametrize("kind", ["json", "html"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(manifest: Path, tmp_path: Path, kind: str) -> None:
    scorer = FakeScorer()
    outputs = Outputs(**{kind: tmp_path / "no" / "out"})
    with pytest.raises(ConfigError, match="cannot write the results there"):
        run_evaluation(manifest, a_judge(scorer), split="train", outputs=outputs)
    assert not scorer.pushed


def test_a_work_folder_that_is_a_file_is_refused_before_the_work(manifest: Path, tmp_path: Path) -> None:
    scorer = FakeScorer()
    (tmp_path / "work").write_text("mine")
    with pytest.raises(ConfigError, match="cannot keep results there"):
        run_evaluation(manifest, a_judge(scorer), split="train", outputs=Outputs(work=tmp_path / "work"))
    assert not scorer.pushed
    assert (tmp_path / "work").read_text() == "mine"


class StoppedScorer(FakeScorer):
    """Works for so many pushes; then Ctrl-C is pressed."""

    def __init__(self, pushes: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        super().__init__()
        self._left, self._error = pushes, error

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        self._left -= 1
        if self._left < 0:
            raise self._error("now")
        return super().push(crops)


def test_an_evaluation_that_is_cut_off_goes_on_where_it_was(tmp_path: Path, manifest: Path) -> None:
    outputs = Outputs(json=tmp_path / "out.json", work=tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(manifest, a_judge(StoppedScorer(50)), split="train", outputs=outputs)
    assert not (tmp_path / "out.json").exists()
    done = (tmp_path / "work" / RESULTS).read_text().splitlines()
    assert len(done) == 2  # 20 faces in each clip
    rest, whole = FakeScorer(), FakeScorer()
    resumed = run_evaluation(manifest, a_judge(rest), split="train", outputs=outputs, console=screen()[0])
    at_once = run_evaluation(manifest, a_judge(whole), split="train", console=screen()[0])
    assert {crop.key.face_id for crop in rest.pushed}
    assert len(rest.pushed) == len(whole.pushed) - 40
    assert [(one.row, one.fake_probability, one.timeline) for one in resumed.scored] == [
        (one.row, one.fake_probability, one.timeline) for one in at_once.scored
    ]


def test_a_device_that_fails_ends_the_evaluation(manifest: Path) -> None:
    with pytest.raises(ScorerError):
        run_evaluation(manifest, a_judge(StoppedScorer(3, ScorerError)), split="train")


def test_a_file_that_changed_is_scored_again(tmp_path: Path, manifest: Path) -> None:
    outputs = Outputs(work=tmp_path / "work")
    run_evaluation(manifest, a_judge(), split="train", outputs=outputs, console=screen()[0])
    again = FakeScorer()
    clip = manifest.parent / "clip3.mp4"
    before = clip.stat()
    os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    run_evaluation(manifest, a_judge(again), split="train", outputs=outputs, console=screen()[0])
    assert len(again.pushed) == 20


def test_other_processes_are_told_which_weights_are_measured(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[MakeTools] = []

    def listen(_rows: object, make: MakeTools, *_: object, **__: object) -> None:
        made.append(make)

    monkeypatch.setattr("analyzer.evaluation.evaluate.run_alarms", listen)
    judge = a_judge()
    for jobs in (2, 1):
        run_evaluation(manifest, judge, split="other", wanted=Wanted(alarms=True, jobs=jobs), console=screen()[0])
    assert isinstance(made[0], functools.partial)
    assert made[0].args[-1] == judge.scorer.info
    assert made[1]().scorer is judge.scorer


def test_damaged_faces_cost_their_section_and_not_the_report(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object, **__: object) -> NoReturn:
        raise MediaError("x.track: cannot be read any more")

    monkeypatch.setattr("analyzer.evaluation.evaluate.run_pseudo", gone)
    monkeypatch.setattr("analyzer.evaluation.evaluate.run_pointing", gone)
    wanted = Wanted(pseudo=True, pointing=True)
    report = run_evaluation(manifest, a_judge(), split="other", wanted=wanted, console=screen()[0])
    assert (report.pseudo, report.pointing, len(report.failures)) == ((), None, 3)
    told = capsys.readouterr().err
    assert "pseudo-fakes: not measured, x.track" in told
    assert "pointing game: not measured, x.track" in told


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\x00", b"file\tkind\nx\treal\n"], ids=["empty", "binary", "no method"]
)
def test_a_bad_manifest_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.tsv"):
        run_evaluation(path, a_judge())
