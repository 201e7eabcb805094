from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from analyzer.evaluation.evaluate import summarise
from analyzer.evaluation.report.page import make_page, text
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.section_figures import AlarmFigures, CostFigures, RobustnessCell, Steadiness
from tests.analyzer.evaluation.tables import a_card, a_judge, points, scored, unscored

HOSTILE = (
    "<script>alert(1)</script>.mp4",
    '"><img src=x onerror=alert(2)>.mp4',
    "'; DROP TABLE x; --.mp4",
    "\u202egpm.4pm",
    "a\x1b[2J\x07\nb\x00.mp4",
    "$\\frac{1}{0}$ \ud83d.mp4",
    "x" * 4000,
    "&lt;b&gt;",
    "Ünïcödé 人.mp4",
)
JPEG = bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())


class Tags(HTMLParser):
    """Every tag of a document with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "source"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def a_report(names: tuple[str, ...] = HOSTILE) -> EvaluationReport:
    files = [
        replace(
            scored(name, 0.1 + 0.08 * i, fake=bool(i % 2), family=name, method=name, group=str(i)),
            timeline=points((0.0, 0.1), (0.2, 0.3)),
            strip=f"key{i}",
        )
        for i, name in enumerate(names)
    ]
    failures = [unscored(name, fake=True, family=name) for name in names]
    card = a_card(name=names[0], trained_on=names, limits=names, command=names[1])
    report = summarise(files, failures, judge=a_judge(card=card), manifest=names[0], split=names[1], command=names[2])
    cells = tuple(
        RobustnessCell(names[0], names[5], float(i), 4, 4, 0.8, (0.7, 0.9), 0.1, 0.5, note=names[1], left_as_is=1)
        for i in range(3)
    )
    return replace(
        report,
        robustness=cells,
        steadiness=Steadiness(("a",), 8, 0.9, (0.8, 1.0), 1),
        alarms=AlarmFigures(0.5, 4, 1, 2.0, (0.1, 11.0), 1, 4, 3, 3, 12.0, names[0]),
        cost=CostFigures("cpu", 4_000_000, 369, 120, 22.0, 50.0, 196, 1e-7, 4),
    )


@pytest.fixture(scope="module")
def page() -> str:
    return make_page(a_report(), lambda key, kind: JPEG if key else None)


def test_no_name_is_ever_read_as_html(page: str) -> None:
    found = Tags(page)
    assert found.open == []
    names = {tag for tag, _ in found.tags}
    assert "script" not in names
    assert "b" not in names
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "<script>alert(1)</script>.mp4" in found.words  # shown as what it is
    assert "&lt;b&gt;" in found.words
    assert "Ünïcödé 人.mp4" in found.words


def test_what_steers_screens_or_turns_text_around_is_spelled_out(page: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert r"\u202egpm.4pm" in page
    assert r"a\x1b[2J\x07\nb\x00.mp4" in page
    page.encode()  # no half of a surrogate pair


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    found = Tags(page)
    for tag, attributes in found.tags:
        for name in ("src", "srcset", "href", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value)
    assert "url(" not in page
    assert "@import" not in page
    policy = [attributes["content"] for tag, attributes in found.tags if attributes.get("http-equiv")]
    assert policy == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]


def test_every_picture_says_what_it_shows_and_every_plot_is_there_for_dark_pages(page: str) -> None:
    found = Tags(page)
    pictures = [attributes for tag, attributes in found.tags if tag == "img"]
    assert all(attributes["alt"] for attributes in pictures)
    plots = [one for one in pictures if str(one["src"]).startswith("data:image/svg+xml")]
    darks = [attributes for tag, attributes in found.tags if tag == "source"]
    assert len(plots) == len(darks) == 3 + len(HOSTILE)  # ROC, reliability, robustness, a timeline for each file
    for one in plots:
        svg = base64.b64decode(str(one["src"]).partition(",")[2])
        assert b"<svg" in svg
        assert b"<script" not in svg


def test_every_row_of_the_table_is_there_measured_or_not(page: str) -> None:
    words = Tags(page).words
    for row in ("pseudo F1", "pseudo F7", "live swap", "replay", "pooled", "constant .5", "window path only", "full"):
        assert row in words
    assert "1 of 8 files already were so" in words
    for title in ("A Quality", "B Robustness", "C Alarms", "D Cost", "E Failures", "Origin"):
        assert title in words


def test_a_report_of_nothing_is_a_page_too() -> None:
    report = summarise([], [], judge=a_judge(), manifest="m")
    found = Tags(make_page(report, lambda key, kind: None))
    assert found.open == []
    assert "Not scored: 0" in found.words


def test_the_same_report_is_the_same_file_to_the_byte() -> None:
    report = a_report(("a.mp4", "b.mp4", "c.mp4", "d", "e", "f"))
    assert make_page(report, lambda key, kind: None) == make_page(report, lambda key, kind: None)


def test_text_is_safe_inside_of_an_attribute() -> None:
    assert text("a\"b'c<d>&\t") == "a&quot;b&#x27;c&lt;d&gt;&amp;\\t"
