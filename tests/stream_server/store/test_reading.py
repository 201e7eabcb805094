from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from analyzer.errors import NotFoundError
from stream_server.event import Event, EventKind, EventState, ReviewMark
from stream_server.store.database import Database
from stream_server.store.reading import EventFilter, get_event, list_events, part_of
from stream_server.store.rows import save_event
from tests.events_of import PICTURE, START, an_event

EVENTS = [
    an_event(START),
    an_event(START + 60, stream_id="door", mark=ReviewMark.CONFIRMED),
    an_event(START + 120, state=EventState.OPEN, ended_at=None),
    an_event(START + 180, kind=EventKind.BLACK, face_id=None, rules=None),
]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.begin() as writing:
        for event in EVENTS:
            save_event(writing, event, [PICTURE])
    with database.read() as reading:
        yield reading


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, [3, 2, 1, 0]),
        ({"stream_id": "door"}, [1]),
        ({"stream_id": "nobody"}, []),
        ({"kind": EventKind.BLACK}, [3]),
        ({"state": EventState.OPEN}, [2]),
        ({"mark": ReviewMark.CONFIRMED}, [1]),
        ({"marked": False}, [3, 2, 0]),
        ({"marked": True}, [1]),
        ({"since": START + 60, "until": START + 180}, [2, 1]),
        ({"stream_id": "cam", "state": EventState.ENDED}, [3, 0]),
    ],
    ids=lambda value: ",".join(value) or "all" if isinstance(value, dict) else "",
)
def test_events_are_found_by_what_is_asked_newest_first(
    connection: Connection, which: dict[str, Any], found: list[int]
) -> None:
    page = list_events(connection, EventFilter(**which))
    assert [event.id for event in page.events] == [EVENTS[i].id for i in found]
    assert page.next is None


def test_pages_follow_each_other_without_gap_or_repetition(connection: Connection) -> None:
    seen: list[Event] = []
    before = None
    for expected in (2, 2):
        page = list_events(connection, EventFilter(limit=2, before=before))
        assert len(page.events) == expected
        seen += page.events
        before = page.next
    assert before is None
    assert [event.id for event in seen] == [event.id for event in reversed(EVENTS)]
    assert all(event.parts[0].name == "strip.jpg" for event in seen)


def test_what_is_not_there_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="no event"):
        get_event(connection, "20200101T000000-00000000")
    with pytest.raises(NotFoundError, match=r"has no 'clip\.mp4'"):
        part_of(connection, EVENTS[0].id, "clip.mp4")
    assert part_of(connection, EVENTS[0].id, "strip.jpg") == PICTURE


def test_hostile_names_are_values_not_sql(connection: Connection) -> None:
    hostile = "x' OR '1'='1"
    assert list_events(connection, EventFilter(stream_id=hostile)).events == ()
    with pytest.raises(NotFoundError):
        get_event(connection, hostile)
