from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from analyzer.alerting.verdict import VerdictRules
from analyzer.errors import ConfigError, WeightsError
from analyzer.evaluation.sections.alarms import Alarms, alarm_figures, alarms_of, looped, poisson_interval, run_alarms
from analyzer.evaluation.sections.watched import Entered, Watched
from analyzer.evaluation.sections.workers import MakeTools, Tools
from analyzer.faces.detector import YuNetDetector
from analyzer.training.data.manifest import Row
from tests.analyzer.evaluation.tables import a_row
from tests.fakes import FakeScorer

INFO = FakeScorer().info
FAKE, REAL = 3.0, -3.0
"""Logits far on either side."""
ALERT_S = 15 / 6 + VerdictRules().shortest_s
"""From the first picture of a clear fake: the first window, then what an alert takes at least."""


def tools(scorer: FakeScorer) -> MakeTools:
    return lambda: Tools(scorer, YuNetDetector())


def stream(seconds: float, logit: float = FAKE, start_s: float = 0.0, face_id: int = 1) -> Watched:
    """A face seen six times a second, scored from its 16th picture on."""
    entered = tuple(
        Entered(face_id, start_s + i / 6, min(i + 1, 16), logit if i >= 15 else None) for i in range(round(seconds * 6))
    )
    return Watched(entered, start_s + seconds)


def test_an_alert_comes_when_the_live_rules_say_so() -> None:
    found = alarms_of(stream(10, start_s=2))
    assert found.raised_s == pytest.approx([ALERT_S], abs=1 / 6)
    assert found.length_s == 12
    assert found.could_alert
    assert found.alerted_s == pytest.approx(12 - 2 - ALERT_S, abs=1 / 6)  # to the end
    assert alarms_of(stream(10, REAL)) == Alarms((), 10, could_alert=True)


def test_a_window_that_begins_anew_begins_its_evidence_anew() -> None:
    first, second = stream(8).entered, stream(8).entered
    later = tuple(Entered(1, one.at_s + 8.5, one.filled, one.logit) for one in second)
    assert alarms_of(Watched((*first, *later), 16.5)).raised_s == ()
    assert alarms_of(stream(16.5)).raised_s != ()


def test_two_faces_may_both_raise_an_alert() -> None:
    both = sorted(
        [*stream(12, face_id=1).entered, *stream(12, start_s=1, face_id=2).entered], key=lambda each: each.at_s
    )
    found = alarms_of(Watched(tuple(both), 13))
    assert len(found.raised_s) == 2
    assert found.alerted_s == pytest.approx(13 - ALERT_S, abs=0.2)  # both at once are one stretch of time


def test_an_alert_that_never_clears_is_one_episode_and_nearly_all_of_the_time() -> None:
    found = alarm_figures([(a_row("r", fake=False), stream(20))], loop_s=600)
    assert found.episodes == 1
    assert found.real_hours == pytest.approx(1 / 6)
    assert found.alerted_share == pytest.approx((600 - ALERT_S) / 600, abs=0.001)


def test_time_in_alert_ends_when_it_clears_or_when_nothing_supports_it_any_more() -> None:
    calm = [Entered(1, one.at_s, 16, REAL) for one in stream(60).entered if one.at_s >= 10]
    cleared = alarms_of(Watched((*stream(10).entered, *calm), 60))
    assert len(cleared.raised_s) == 1
    assert cleared.alerted_s == pytest.approx(10 - ALERT_S + 4.5, abs=1)
    assert alarms_of(Watched(stream(10).entered, 3600)).alerted_s == pytest.approx(10 - ALERT_S + 30, abs=0.7)


def test_a_face_that_comes_back_after_its_alert_ended_raises_another() -> None:
    later = tuple(Entered(1, one.at_s + 60, one.filled, one.logit) for one in stream(10).entered)
    assert len(alarms_of(Watched((*stream(10).entered, *later), 70)).raised_s) == 2


def test_a_short_stream_cannot_alert_and_says_so() -> None:
    assert alarms_of(stream(4)) == Alarms((), 4, could_alert=False)
    assert alarms_of(stream(4), loop_s=20).raised_s == pytest.approx([ALERT_S], abs=1 / 3)
    assert alarms_of(Watched((), 3)) == Alarms((), 3, could_alert=False)


def test_looping_repeats_the_scores_at_their_pace_without_warming_up_again() -> None:
    entered = stream(4).entered
    longer = looped(entered, 10)
    assert longer[: len(entered)] == entered
    times = [one.at_s for one in longer]
    assert all(later - earlier == pytest.approx(1 / 6) for earlier, later in itertools.pairwise(times))
    assert 10 - 1 / 6 <= times[-1] <= 10
    assert all(one.filled == 16 and one.logit == FAKE for one in longer[len(entered) :])
    assert looped(entered, 1) == entered


def test_time_never_runs_backwards_where_a_window_was_filling_anew_at_the_end() -> None:
    again = tuple(Entered(1, 4 + i / 6, i + 1, None) for i in range(8))
    times = [one.at_s for one in looped((*stream(4).entered, *again), 20)]
    assert times == sorted(times)
    assert len(set(times)) == len(times)


def test_looping_a_single_score_ends() -> None:
    assert len(looped(stream(16 / 6).entered, 3.9)) == 16 + 8  # at six a second, as nothing else is known
    assert len(looped((Entered(1, 0.0, 16, 1.0), Entered(2, 0.0, 16, 1.0)), 1)) == pytest.approx(14, abs=2)


def test_figures_equal_those_by_hand() -> None:
    watched = [
        (a_row("r1", fake=False), stream(360, REAL)),
        (a_row("r2", fake=False), stream(360, FAKE)),
        (a_row("f1", fake=True), stream(20, FAKE)),
        (a_row("f2", fake=True), stream(20, REAL)),
        (a_row("f3", fake=True), Watched((), 0.0, "no_faces: none")),
    ]
    found = alarm_figures(watched)
    assert (found.real_hours, found.real_streams, found.episodes) == (0.2, 2, 1)
    assert found.episodes_per_hour == pytest.approx(5)
    assert found.episodes_per_hour_ci == pytest.approx(poisson_interval(1, 0.2))
    assert (found.real_streams_with_alert, found.fake_streams, found.caught, found.caught_60_s) == (1, 2, 1, 1)
    assert found.median_s_to_alert == pytest.approx(ALERT_S, abs=0.2)
    assert "12.0 distinct minutes" in found.note
    assert "videos last 360 s (real), 20 s (fake) in the median" in found.note
    assert "1 more had no score and count nowhere (0 real, 1 fake)" in found.note
    assert found.alerted_s == pytest.approx(360 - ALERT_S, abs=0.2)
    assert found.alerted_share == pytest.approx(found.alerted_s / 720)


def test_the_other_sensitivities_are_counted_too() -> None:
    found = alarm_figures([(a_row("r", fake=False), stream(60, -0.1)), (a_row("f", fake=True), stream(60, 1.0))])
    assert {name: (one.episodes, one.caught) for name, one in found.others.items()} == {
        "quiet": (0, 0),
        "eager": (1, 1),
    }
    assert (found.episodes, found.caught) == (0, 1)


def test_looped_footage_has_no_interval_and_is_called_that() -> None:
    found = alarm_figures([(a_row("r", fake=False), stream(6, REAL)), (a_row("f", fake=True), stream(4))], loop_s=60)
    assert found.real_hours == pytest.approx(1 / 60)
    assert found.episodes_per_hour == 0
    assert found.episodes_per_hour_ci is None
    assert found.caught == 1
    assert "the scores of shorter videos (1 real, 1 fake) are repeated up to 60 s" in found.note
    assert "there is no interval" in found.note
    assert "0.1 distinct minutes" in found.note
    assert "too short" not in found.note


def test_footage_that_was_long_enough_not_to_be_looped_keeps_its_interval() -> None:
    fake = (a_row("f", fake=True), stream(4))
    found = alarm_figures([(a_row("r", fake=False), stream(60, REAL)), fake], loop_s=60)
    assert found.episodes_per_hour_ci == pytest.approx(poisson_interval(0, 1 / 60))
    assert "(0 real, 1 fake) are repeated" in found.note
    assert "no interval" not in found.note
    short = alarm_figures([(a_row("r", fake=False), stream(60, REAL)), fake])
    assert "looped" not in short.note
    assert "1 of 2 are too short for any alert (0 real, 1 fake)" in short.note


def test_an_alert_after_a_minute_is_late() -> None:
    calm, late = stream(70, REAL).entered, stream(90).entered[420:]
    found = alarm_figures([(a_row("f", fake=True), Watched((*calm, *late), 90))])
    assert (found.caught, found.caught_60_s) == (1, 0)


def test_nothing_watched_is_no_rate() -> None:
    found = alarm_figures([(a_row("r", fake=False), Watched((), 0.0, "no_faces: none"))])
    assert (found.episodes_per_hour, found.median_s_to_alert, found.real_hours) == (None, None, 0)
    assert found.alerted_share is None
    assert found.note == "no video had a score"


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_poisson_intervals_are_the_exact_ones(count: int, low: float, high: float) -> None:
    assert poisson_interval(count, 1) == pytest.approx((low, high), abs=1e-4)
    assert poisson_interval(count, 4) == pytest.approx((low / 4, high / 4), abs=1e-4)


def a_video(path: Path, *, fake: bool = True) -> Row:
    return Row(path.name, path, fake, "method", "", "swap", path.stem)


def test_videos_are_watched_and_kept(bright: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video" * 100)
    rows = [a_video(bright), a_video(tmp_path / "broken.mp4"), a_video(tmp_path / "missing.mp4"),
            a_video(tmp_path / "a.png")]  # fmt: skip
    found = run_alarms(rows, tools(FakeScorer()), INFO, work=tmp_path)
    assert (found.fake_streams, found.caught, found.real_streams) == (1, 0, 0)
    assert "too short for any alert" in found.note
    nothing = FakeScorer()
    assert run_alarms(rows, tools(nothing), INFO, work=tmp_path) == found
    assert not nothing.pushed
    again = run_alarms(rows, tools(nothing), INFO, work=tmp_path, loop_s=60)
    assert again.caught == 1
    assert again.median_s_to_alert == pytest.approx(ALERT_S, abs=0.5)


def test_what_cannot_be_measured_is_refused(bright: Path) -> None:
    with pytest.raises(WeightsError, match="no trained weights"):
        run_alarms([a_video(bright)], tools(FakeScorer()), FakeScorer(trained=False).info)
    for loop_s in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="loop"):
            run_alarms([a_video(bright)], tools(FakeScorer()), INFO, loop_s=loop_s)
