from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from analyzer.errors import ConfigError, WeightsError
from analyzer.evaluation.evaluate import Scored, print_report, run_evaluation, summarise
from analyzer.faces.detector import YuNetDetector
from analyzer.scorer import ScorerInfo
from analyzer.training.manifest import Failure, Row
from tests.fakes import FakeScorer

INFO = ScorerInfo("cpu", "torch", "test", "ab" * 32)


def scored(file: str, score: float, *, fake: bool, family: str = "swap", group: str = "") -> Scored:
    return Scored(Row(file, Path(file), fake, f"{family} method", "", family, group or file), score)


def screen() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=160), text


def test_figures_equal_those_by_hand() -> None:
    rows = [
        scored("r1", 0.2, fake=False),
        scored("r2", 0.6, fake=False),
        scored("f1", 0.7, fake=True),
        scored("f2", 0.3, fake=True),
        scored("f3", 0.1, fake=True, family="lip"),
    ]
    report = summarise(rows, [], manifest="m", split=None, scorer=INFO, threshold=0.5, aggregate="windows")
    assert (report.video.n_real, report.video.n_fake) == (2, 3)
    assert report.video.auc == pytest.approx(3 / 6)  # .7 beats two, .3 beats one, .1 none
    assert report.video.rates.fpr == 0.5
    assert report.video.rates.tpr == pytest.approx(1 / 3)
    assert report.families["swap"].auc == pytest.approx(3 / 4)
    assert report.families["lip"].auc == 0
    assert report.methods["lip method"].n_real == 2


def test_the_json_has_the_promised_keys() -> None:
    rows = [scored("r", 0.2, fake=False), scored("f", 0.9, fake=True)]
    failures = [Failure("x", "why")]
    report = summarise(rows, failures, manifest="m", split="val", scorer=INFO, threshold=0.5, aggregate="windows")
    found = json.loads(report.to_json())
    assert found["video"] == {"auc": 1.0, "auc_ci": [0.025, 1.0], "n_real": 1, "n_fake": 1, "fpr": 0.0, "tpr": 1.0}
    assert found["threshold"] == {"value": 0.5, "fpr": 0.0, "tpr": 1.0}
    assert found["families"]["swap"]["auc"] == 1.0
    assert found["failures"] == [{"file": "x", "reason": "why"}]
    assert found["model"]["sha256"] == "ab" * 32


def test_one_kind_alone_has_no_auc_and_prints_a_dash() -> None:
    report = summarise(
        [scored("r", 0.2, fake=False)], [], manifest="m", split=None, scorer=INFO, threshold=0.5, aggregate="windows"
    )
    assert report.video.auc is None
    assert json.loads(report.to_json())["video"]["auc_ci"] is None
    console, text = screen()
    print_report(report, console)
    assert "all videos" in text.getvalue()
    assert "read these as counts" in text.getvalue()


def test_videos_are_scored_from_the_file_on_and_written(tmp_path: Path, manifest: Path) -> None:
    console, text = screen()
    out = tmp_path / "out.json"
    report = run_evaluation(
        manifest, scorer=FakeScorer(), detector=YuNetDetector(), split="train", json_out=out, console=console
    )
    assert (report.video.n_real, report.video.n_fake) == (4, 2)
    assert not report.failures
    assert report.families.keys() == {"F5"}
    assert len(json.loads(out.read_text())["files"]) == 6
    assert "family: F5" in text.getvalue()


def test_rows_that_cannot_be_scored_are_named_and_not_fatal(tmp_path: Path, manifest: Path) -> None:
    path = manifest.parent / "with_picture.tsv"
    path.write_text(
        "file\tkind\tmethod\n"
        + "".join(f"{name}\treal\tx\n" for name in ("broken.mp4", "missing.mp4", "empty.mp4", "a.png"))
    )
    console, text = screen()
    report = run_evaluation(path, scorer=FakeScorer(), detector=YuNetDetector(), console=console)
    assert [failure.file for failure in report.failures] == ["broken.mp4", "missing.mp4", "empty.mp4", "a.png"]
    assert [failure.reason.split(":")[0] for failure in report.failures] == [
        "not_a_video", "bad_media", "no_faces", "bad_media",
    ]  # fmt: skip
    assert report.video.n_real == 0
    assert "4 files were not scored" in text.getvalue()


def test_without_trained_weights_nothing_is_evaluated(manifest: Path) -> None:
    with pytest.raises(WeightsError, match="no trained weights"):
        run_evaluation(manifest, scorer=FakeScorer(trained=False), detector=YuNetDetector())


def test_an_output_that_cannot_be_written_is_refused_before_the_work(manifest: Path, tmp_path: Path) -> None:
    scorer = FakeScorer()
    with pytest.raises(ConfigError, match="cannot write the results there"):
        run_evaluation(
            manifest, scorer=scorer, detector=YuNetDetector(), split="train", json_out=tmp_path / "no" / "out.json"
        )
    assert not scorer.pushed


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\x00", b"file\tkind\nx\treal\n"], ids=["empty", "binary", "no method"]
)
def test_a_bad_manifest_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.tsv"):
        run_evaluation(path, scorer=FakeScorer(), detector=YuNetDetector())
