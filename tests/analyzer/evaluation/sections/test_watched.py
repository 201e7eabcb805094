from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from analyzer.errors import TooLargeError
from analyzer.evaluation.sections.watched import Entered, ListeningScorer, Watch, Watched, entry_of, watched_from
from analyzer.evaluation.sections.workers import Tools
from analyzer.faces.detector import YuNetDetector
from analyzer.scorer import Scorer
from analyzer.video.video import analyze_video
from tests.fakes import FakeScorer


def test_a_listening_scorer_changes_nothing_and_hears_everything(bright: Path) -> None:
    plain = FakeScorer()
    listening = ListeningScorer(plain)
    a_scorer: Scorer = listening
    detector = YuNetDetector()
    heard = analyze_video(bright, detector=detector, scorer=a_scorer)
    alone = analyze_video(bright, detector=detector, scorer=FakeScorer())
    assert heard.timeline == alone.timeline
    assert [one.logit for one in listening.entered if one.logit is not None] == [one.logit for one in heard.timeline]
    assert len(listening.entered) == sum(face.crops for face in heard.faces)
    assert not plain.closed


def test_footage_longer_than_an_upload_may_be_is_watched(tmp_path: Path) -> None:
    path = tmp_path / "hours.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=1)
        stream.width = stream.height = 64
        stream.time_base = Fraction(1)
        for at_s in range(0, 3600, 20):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = at_s, Fraction(1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(TooLargeError):
        analyze_video(path, detector=YuNetDetector(), scorer=FakeScorer())
    found = Watch(path)(Tools(FakeScorer(), YuNetDetector()))
    assert str(found.failure).startswith("no_faces")  # and not too_large


@pytest.mark.parametrize(
    "entry",
    [{}, {"duration_s": "x", "entered": []}, {"duration_s": 1, "entered": [[1, 2]]},
     {"duration_s": 1, "entered": [["a", "b", "c", "d"]]}, {"duration_s": 1, "entered": 3},
     {"duration_s": 1, "entered": [[math.inf, 1, 1, 1]]}, {"duration_s": math.nan, "entered": []},
     {"duration_s": 1, "entered": [[1, math.nan, 1, 1]]}, {"duration_s": 1, "entered": [[1, 1, 16, math.inf]]},
     {"duration_s": 10**400, "entered": []}],
    ids=repr,
)  # fmt: skip
def test_a_line_that_is_no_stream_is_watched_again(entry: dict[str, object]) -> None:
    assert watched_from(entry) is None
    assert watched_from(None) is None


@pytest.mark.parametrize(
    "watched",
    [Watched((), 0.0, "no_faces: none"), Watched((Entered(1, 0.5, 15, None), Entered(1, 0.7, 16, -2.5)), 9.0)],
    ids=("failed", "scored"),
)
def test_what_is_kept_reads_back_the_same(watched: Watched) -> None:
    assert watched_from(entry_of("a.mp4", watched)) == watched
