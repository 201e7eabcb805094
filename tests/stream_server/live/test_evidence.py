from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analyzer.datatypes import Evidence
from stream_server.live.evidence import score_evidence
from tests.fakes import an_evidence


def test_evidence_is_rounded_and_keeps_its_meaning() -> None:
    frames = tuple(0.123 * step for step in range(-8, 8))
    given = replace(an_evidence(1.2345, frames), when=(0.99985, *(0.00001,) * 15), window_logit=-0.126)
    said = score_evidence(given)
    assert said is not None
    assert said.where[5] == (10, 10, 90, 90, 90, 10, 10)
    assert said.when == (1.0, *(0.0,) * 15)
    assert said.frame_logits[0] == -0.98
    assert said.window_logit == -0.13
    assert math.fsum(said.counted) / 16 == pytest.approx(math.fsum(given.counted) / 16, abs=0.005)


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(None, id="none"),
        pytest.param(replace(an_evidence(), where=((math.nan,) * 7,) * 7), id="map of no numbers"),
        pytest.param(replace(an_evidence(), where=((2.0,) * 7,) * 7), id="map beyond 1"),
        pytest.param(replace(an_evidence(), window_logit=math.inf), id="endless logit"),
        pytest.param(replace(an_evidence(), when=()), id="nothing of when"),
    ],
)
def test_what_is_no_evidence_is_left_out(evidence: Evidence | None) -> None:
    assert score_evidence(evidence) is None


def test_a_window_path_without_a_say_is_null() -> None:
    said = score_evidence(replace(an_evidence(), when=None, window_logit=None))
    assert said is not None
    assert said.model_dump(mode="json")["when"] is said.window_logit is None


def test_huge_numbers_stay_json() -> None:
    said = score_evidence(replace(an_evidence(), frame_logits=(1e300,) * 16, window_logit=-1e300))
    assert said is not None
    assert "inf" not in said.model_dump_json().lower()


def test_a_backend_without_shares_is_told_apart() -> None:
    said = score_evidence(replace(an_evidence(), counted=()))
    assert said is not None
    assert said.counted == ()
