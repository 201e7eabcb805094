from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.alerting.series import MAX_LINE, Series, SeriesKeeper, play, read_series
from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import Alert, NotScored, Observation, Verdict
from analyzer.errors import SeriesError

HEAD = '{"series": 1, "stream_id": "door", "sensitivity": "balanced", "until": 9}\n'
FAKE = 3.0
UNTIL_S = 3e6


def seen(seconds: float, logit: float = FAKE, face_id: int = 1, start_s: float = 0.0) -> list[Observation]:
    """A face that fills its window and is then scored six times a second."""
    return [
        Observation(start_s + i / 6, face_id, min(i + 1, 16), logit if i >= 15 else None)
        for i in range(round(seconds * 6))
    ]


def write(path: Path, *observations: Observation, sensitivity: Sensitivity = Sensitivity.BALANCED) -> Path:
    path.write_text("".join(Series("door", sensitivity, observations, UNTIL_S).lines()))
    return path


def played(
    observations: Sequence[Observation], sensitivity: Sensitivity = Sensitivity.BALANCED, until_s: float | None = None
) -> list[Verdict | Alert]:
    end_s = max((one.at_s for one in observations), default=0.0) if until_s is None else until_s
    return play(Series("door", sensitivity, tuple(observations), end_s), sensitivity.rules)


def alerts(observations: list[Observation], sensitivity: Sensitivity = Sensitivity.BALANCED) -> list[Alert]:
    return [event for event in played(observations, sensitivity) if isinstance(event, Alert)]


def test_what_was_written_is_read_again_to_the_last_digit(tmp_path: Path) -> None:
    rng = random.Random(4)
    observations = [
        *(Observation(rng.random() * 1e6, 1 + i % 3, 16, rng.gauss(0, 3)) for i in range(200)),
        *(Observation(1e6 + i, 2, unfit=reason) for i, reason in enumerate(NotScored)),
        Observation(2e6, 2, 7),
        Observation(2e6, 2, 16, math.inf),
        Observation(2e6, 2, 16, -math.inf),
        Observation(2e6, 2, ended=True),
    ]
    series = read_series(write(tmp_path / "s.jsonl", *observations, sensitivity=Sensitivity.EAGER))
    assert series == Series("door", Sensitivity.EAGER, tuple(observations), UNTIL_S)
    nothing = read_series(write(tmp_path / "n.jsonl", Observation(1.0, 1, 16, math.nan)))
    assert math.isnan(nothing.observations[0].logit or 0.0)


def test_a_series_raises_the_same_alerts_every_time(tmp_path: Path) -> None:
    rng = random.Random(7)
    observations: list[Observation] = []
    for face_id in range(1, 20):
        level, start_s = rng.gauss(0.3, 1), rng.uniform(0, 60)
        observations += [
            Observation(one.at_s, face_id, one.filled, None if one.logit is None else level + rng.gauss(0, 0.3))
            for one in seen(rng.uniform(3, 60), face_id=face_id, start_s=start_s)
        ]
        observations.append(Observation(observations[-1].at_s + 1, face_id, ended=True))
    observations.sort(key=lambda one: one.at_s)
    first = alerts(observations)
    assert len(first) > 4
    kept = read_series(write(tmp_path / "s.jsonl", *observations))
    assert alerts(list(kept.observations)) == [
        Alert(alert.key, alert.raised, alert.fake_probability, alert.at_s, alert.started_at_s) for alert in first
    ]


def test_another_sensitivity_raises_other_alerts() -> None:
    series = seen(60, logit=0.1)
    assert [len(alerts(series, sensitivity)) for sensitivity in Sensitivity] == [0, 0, 1]


def test_an_alert_ends_with_its_face_with_low_scores_and_when_nothing_is_scored_any_more() -> None:
    ended = [*seen(20), Observation(21.0, 1, ended=True)]
    low = [*seen(20), *(Observation(20 + i / 6, 1, 16, -3.0) for i in range(60))]
    unfit = [*seen(20), *(Observation(20 + i, 1, unfit=NotScored.BLURRED) for i in range(40))]
    for series in (ended, low, unfit):
        assert [alert.raised for alert in alerts(series)] == [True, False]
    assert alerts(unfit)[1].at_s == pytest.approx(20 - 1 / 6 + 30)


@given(
    st.lists(
        st.builds(
            Observation,
            at_s=st.floats(-1e9, 1e9),
            face_id=st.integers(1, 3),
            filled=st.integers(1, 16),
            logit=st.one_of(st.none(), st.floats()),
            unfit=st.one_of(st.none(), st.sampled_from(NotScored)),
            ended=st.booleans(),
        ),
        max_size=60,
    )
)
def test_no_order_no_gap_and_no_number_breaks_the_rules(observations: list[Observation]) -> None:
    for event in played(observations):
        assert event.fake_probability is None or 0 <= event.fake_probability <= 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: not JSON"),
        ("{}\n", "line 1: expected"),
        ("[1]\n", "line 1: expected a JSON object"),
        (HEAD.replace("1", "2"), "line 1: expected"),
        (HEAD.replace("9", "NaN"), "line 1: expected"),
        (HEAD.replace("balanced", "loud"), "line 1: 'loud' is not a valid Sensitivity"),
        (HEAD.replace('"door"', "7"), "line 1: expected"),
        ("[" * 100_000, "line 1: longer than"),
        (HEAD + '{"t": 1, "face": 1, "filled": 16', "line 2: not JSON"),
        (HEAD + '{"t": 1, "face": 1}\n', "line 2: expected filled"),
        (HEAD + '{"t": "1", "face": 1, "filled": 1}\n', "line 2: expected numbers"),
        (HEAD + '{"t": NaN, "face": 1, "filled": 1}\n', "line 2: expected numbers"),
        (HEAD + '{"t": 1e400, "face": 1, "filled": 1}\n', "line 2: expected numbers"),
        (HEAD + '{"t": true, "face": 1, "filled": 1}\n', "line 2: expected numbers"),
        (HEAD + '{"t": 1, "face": 0, "filled": 1}\n', "line 2: expected numbers"),
        (HEAD + '{"t": 1, "face": 1, "filled": 17}\n', "line 2: expected filled"),
        (HEAD + '{"t": 1, "face": 1, "filled": 16, "logit": "high"}\n', "line 2: expected a number as logit"),
        (HEAD + '{"t": 1, "face": 1, "filled": 16, "logit": [1]}\n', "line 2: expected a number as logit"),
        (HEAD + '{"t": 1, "face": 1, "unfit": "ugly"}\n', "line 2: 'ugly' is not a valid NotScored"),
        (HEAD + '{"t": 1, "face": 1, "unfit": {}}\n', "line 2"),
        (HEAD + "x" * MAX_LINE * 2 + "\n", "line 2: longer than"),
        (HEAD + "\n", "line 2: not JSON"),
    ],
)
def test_what_is_no_series_is_named_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(SeriesError, match=r"^bad\.jsonl is no series of scores, or a damaged one: ") as error:
        read_series(path)
    assert why in str(error.value)


def test_a_file_that_is_not_text_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(HEAD.encode() + b"\xff\xfe\x00")
    with pytest.raises(SeriesError, match="not text"):
        read_series(tmp_path / "x.jsonl")


def test_a_crowd_of_faces_is_refused_and_those_that_ended_do_not_count(tmp_path: Path) -> None:
    def lines(count: int, *, ended: bool) -> str:
        made = []
        for face_id in range(1, count + 1):
            made.append(json.dumps({"t": 1, "face": face_id, "filled": 1}))
            if ended:
                made.append(json.dumps({"t": 1, "face": face_id, "ended": True}))
        return "\n".join(made) + "\n"

    path = tmp_path / "crowd.jsonl"
    path.write_text(HEAD + lines(10_001, ended=False))
    with pytest.raises(SeriesError, match="more than 10000 faces at once"):
        read_series(path)
    path.write_text(HEAD + lines(10_001, ended=True))
    assert len(read_series(path).observations) == 20_002


def test_the_newest_observations_of_each_stream_are_kept() -> None:
    keeper = SeriesKeeper(kept_s=10, most=20)
    for stream_id in ("slow", "fast"):
        keeper.begin(stream_id)
    for i in range(100):
        keeper.add("slow", Observation(float(i), 1, 1))
        keeper.add("fast", Observation(i / 100, 1, 1))
    assert [one.at_s for one in keeper.of("slow", 99.0)] == [float(i) for i in range(89, 100)]
    assert len(keeper.of("fast", 1.0)) == 20
    keeper.forget("slow")
    keeper.forget("never there")
    assert keeper.of("slow", 99.0) == ()


def test_what_comes_after_a_stream_was_forgotten_is_not_kept_and_what_is_old_is_not_told() -> None:
    keeper = SeriesKeeper(kept_s=10)
    keeper.add("gone", Observation(1.0, 1, ended=True))
    keeper.begin("door")
    keeper.add("door", Observation(1.0, 1, 1))
    assert len(keeper.of("door", 11.0)) == 1
    assert keeper.of("door", 11.1) == keeper.of("gone", 1.0) == ()
    keeper.begin("door")
    assert keeper.of("door", 1.0) == ()


def test_a_stream_that_stalls_ends_its_alert_when_nothing_has_supported_it_for_long() -> None:
    stalled = seen(20)
    ended = [*stalled, Observation(80.0, 1, ended=True)]
    last_s = stalled[-1].at_s
    for told in (played(ended), played(stalled, until_s=80.0)):
        stale = [event for event in told if isinstance(event, Verdict) and event.reason is NotScored.STALE]
        assert [event.at_s for event in stale] == [pytest.approx(last_s + 1.5)]
        assert [event.at_s for event in told if isinstance(event, Alert)][1] == pytest.approx(last_s + 30)
    assert len(alerts(stalled)) == 1, "nobody knows yet"
