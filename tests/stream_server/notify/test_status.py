from __future__ import annotations

from dataclasses import replace

import pytest

from stream_server.notify.status import LONG_S, LaneStatus, RuleStatus, undelivered
from tests.events_of import START
from tests.stream_server.notify.rules_of import a_rule

WELL = LaneStatus(
    target="1: fake://***",
    waiting=0,
    sent=1,
    failed=0,
    dead=0,
    last_sent_at=START,
    last_failed_at=None,
    last_error=None,
    busy_since=None,
)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param(WELL, (), id="well"),
        pytest.param(replace(WELL, busy_since=START), (), id="sending"),
        pytest.param(
            replace(WELL, busy_since=START - LONG_S - 1),
            ("rule all has been sending to 1: fake://*** since 2026-09-21 14:12:49 UTC",),
            id="hanging",
        ),
        pytest.param(
            replace(WELL, last_error="it answered 500", busy_since=START - LONG_S - 1),
            ("notifications of rule all do not reach 1: fake://***: it answered 500",),
            id="refused",
        ),
    ],
)
def test_a_target_that_takes_nothing_is_told_with_why(target: LaneStatus, words: tuple[str, ...]) -> None:
    assert undelivered([RuleStatus(a_rule(), held_back=0, holding=0, targets=(target,))], START) == words
