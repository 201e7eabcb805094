from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from analyzer.datatypes import NotScored
from stream_server.events.evidence_zip.chart import draw
from stream_server.events.evidence_zip.curve import Curve, Point, Stretch
from tests.evidence_of import an_event

EMPTY = Curve((), (), 0, 0, aligned=False)


def of(*points: Point, unfit: tuple[Stretch, ...] = ()) -> Curve:
    return Curve((points,), unfit, len(points), 0, aligned=False)


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(svg).iter("text")]


def test_start_peak_and_end_are_marked_each_in_a_row_of_its_own() -> None:
    marks = [one for one in ET.fromstring(draw(EMPTY, an_event())).iter("text") if "name" in one.attrib["class"]]
    assert [one.text for one in marks] == ["start", "peak 93 %", "end"]
    assert len({one.attrib["y"] for one in marks}) == 3


def test_the_threshold_is_half_way_up() -> None:
    svg = draw(of(Point(0, 0.5), Point(14, 0.5)), an_event())
    (line,) = re.findall(r'class="threshold" d="M48 ([0-9.]+)H868"', svg)
    (drawn,) = re.findall(r'class="scores" d="M48.0 ([0-9.]+) 868.0', svg)
    assert float(line) == float(drawn)


def test_a_single_score_is_a_dot() -> None:
    assert 'h0"' in draw(of(Point(3, 0.7)), an_event())


def test_what_could_not_be_judged_is_a_band_with_its_reason() -> None:
    svg = draw(of(Point(0, 0.5), unfit=(Stretch(2, 4, NotScored.BLURRED),)), an_event())
    assert "<title>not judged: blurred</title>" in svg


def test_bands_that_touch_are_drawn_once() -> None:
    unfit = tuple(Stretch(i / 1000, i / 1000, NotScored.BLURRED) for i in range(14_000))
    assert draw(of(unfit=unfit), an_event()).count('class="unfit"') == 1


@pytest.mark.parametrize(
    "changes",
    [{}, {"peak_at": None, "peak_probability": None, "ended_at": None}, {"peak_at": math.nan}, {"ended_at": math.inf},
     {"started_at": 1e300}, {"started_at": math.nan}, {"ended_at": 1e12}],
    ids=str,
)  # fmt: skip
def test_whatever_the_times_are_it_is_a_drawing_with_few_ticks(changes: dict[str, float | None]) -> None:
    points = (Point(-1e14, 0.1), Point(0, math.nextafter(1, 0)), Point(1e14, 0.0), Point(2e-9, 1.0))
    for curve in (EMPTY, of(*points)):
        svg = draw(curve, an_event(**changes))
        assert 5 <= len(texts(svg)) < 30
        assert "nan" not in svg
        assert "inf" not in svg


def test_somebody_who_cannot_see_it_is_told_of_it() -> None:
    assert 'aria-label="2 scores over time, the highest 90 %' in draw(of(Point(0, 0.5), Point(1, 0.9)), an_event())
