from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analyzer.datatypes import Observation
from stream_server.event import EventKind, EventState, Part, PartInfo, ReviewMark
from stream_server.events.evidence_zip import page
from stream_server.events.evidence_zip.page import MAP_WORDS, make_page
from tests.evidence_of import MADE_AT, START, a_picture, a_series, an_event, some_parts

ROOT = Path(__file__).parents[4]
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\x1b[2J\u202e&"


class Tags(HTMLParser):
    """Every tag with its attributes, and all the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in_style = tag == "style"
        if tag not in {"b", "bdi", "code", "span"}:
            self.words += " "  # begins a line or a cell of its own

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words += data


def page_of(*parts: Part, **changes: object) -> str:
    return make_page(an_event(**changes), parts, MADE_AT)


def words(*parts: Part, **changes: object) -> str:
    return " ".join(Tags(page_of(*parts, **changes)).words.split())


def test_it_says_what_happened_and_when_in_utc() -> None:
    said = words()
    assert "alert about the stream front-door, of face 3, at 2026-11-23T12:00:00.000Z: suspected manipulation" in said
    assert "It ended at 2026-11-23T12:00:14.000Z, after 14.0 s" in said
    assert "The highest score was 93 %, at 2026-11-23T12:00:06.000Z; 84 windows of 16 pictures" in said


def test_it_says_what_raised_it_and_what_judged() -> None:
    said = words()
    assert "sensitivity balanced: scores above 0.25 (56 %) were evidence, 2.5 logit seconds of it raised" in said
    assert "deepfake-monitor-v2" in said
    assert "5f0c" * 16 in said
    assert "rtsp, rtsp://operator:***@camera.example/door" in said


def test_it_says_that_a_score_is_no_proof_and_how_to_check_the_file() -> None:
    said = words()
    assert "A score is the opinion of a network, not proof." in said
    assert "The map is where the network looked, not where a face was changed." in said
    assert "deepfake-monitor verify FILE --key FINGERPRINT" in said


def test_the_words_about_the_map_are_those_of_the_dashboard() -> None:
    script = (ROOT / "static" / "js" / "streams" / "evidence.js").read_text()
    joined = re.sub(r'" \+\s+"', "", script)
    assert f'"{MAP_WORDS}"' in joined


def test_nothing_is_loaded_and_nothing_runs() -> None:
    tags = Tags(page_of(*some_parts(), Part("clip.mp4", "video/mp4", b"video"))).found
    assert not {"script", "link", "iframe", "object", "base", "form", "a"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name in {"href", "srcset", "style"}]
        assert (attributes.get("src") or "data:").startswith("data:")
    policies = [one.get("content") for tag, one in tags if one.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'")


def test_hostile_text_is_shown_as_text_wherever_it_comes_from() -> None:
    texts = dict.fromkeys(
        ("stream_id", "same_as", "source_kind", "source_url", "model", "version", "weights_sha256"), HOSTILE
    )
    plain = Tags(page_of(*some_parts()))
    hostile = page_of(
        *some_parts(), **texts, notes=(HOSTILE,), mark=ReviewMark.UNSURE, mark_note=HOSTILE, marked_at=START
    )
    found = Tags(hostile)
    assert {tag for tag, _ in found.found} - {tag for tag, _ in plain.found} <= {"ul", "li", "br"}
    assert r"<script>alert(1)</script>" in found.words
    assert not {"\x1b", "\u202e"} & set(hostile)
    hostile.encode()


def test_pictures_are_inside_the_page() -> None:
    found = Tags(
        page_of(a_picture("strip.jpg"), *(a_picture(f"snapshot-{one}.jpg") for one in ("start", "peak", "end")))
    )
    sources = [one["src"] for tag, one in found.found if tag == "img"]
    assert len(sources) == 4
    assert all(source and source.startswith("data:image/jpeg;base64,/9j/") for source in sources)
    assert all(one.get("alt") for tag, one in found.found if tag == "img")


@pytest.mark.parametrize(("size", "inside"), [(100, True), (8_000_000, True), (8_000_001, False)])
def test_a_clip_is_inside_the_page_unless_it_is_large(size: int, inside: bool) -> None:
    html = page_of(Part("clip.mp4", "text/html", bytes(size)))
    assert ("<video" in html) is inside
    assert ("clip.mp4, beside this page (8.0 MB)" in html) is not inside
    assert "data:text/html" not in html


def test_a_picture_that_is_huge_is_named_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_PICTURE", 10)
    assert "See strip.jpg beside this page." in words(a_picture("strip.jpg"))


def test_a_private_event_says_why_there_are_no_pictures() -> None:
    assert "No pictures: the stream is set so that none are kept." in words(a_series(), private=True)
    assert "No pictures: none are part of this evidence." in words(a_series())


def test_what_is_missing_is_listed() -> None:
    info = PartInfo(name="clip.mp4", media_type="video/mp4", size=9, sha256="0" * 64)
    said = words(notes=("no clip: the disk was full",), parts=(info,))
    assert "What is missing no clip: the disk was full" in said
    assert "clip.mp4 belongs to the event, but is not here" in said
    assert "What is missing" not in words()


def test_files_are_listed_with_their_sums() -> None:
    said = words(Part("clip.mp4", "video/mp4", b"abc"))
    assert "clip.mp4 3 B ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" in said


def test_the_chart_is_of_the_events_face() -> None:
    html = page_of(a_series())
    assert '<svg class="chart"' in html
    assert "160 scores of face 3" in html
    assert "could not be judged: blurred 1.3 s" in html


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "line 1: not JSON"),
        (b"\xff\xfe", "it is not text"),
        (a_series().data[:-20], "line 169: not JSON"),
        (b"[" * 100_000, "line 1: longer than 4096 characters"),
        (a_series(()).data, "No score of this face is in the series."),
    ],
    ids=["empty", "no text", "cut off", "deep", "no scores"],
)
def test_a_damaged_or_empty_series_is_told_and_the_rest_stands(data: bytes, said: str) -> None:
    shown = words(Part("scores.jsonl", "application/jsonl", data))
    assert said in shown
    assert "How to check this" in shown


def test_without_a_series_that_is_told() -> None:
    assert "No chart: scores.jsonl is not part of this evidence." in words()


def test_a_huge_series_with_scores_that_are_no_numbers_makes_a_small_page() -> None:
    observations = tuple(
        Observation(START + i / 50, 3, 16, math.nan if i % 7 == 0 else math.sin(i)) for i in range(20_000)
    )
    html = page_of(a_series(observations))
    assert "2858 more were no numbers and are not drawn." in html
    assert len(html) < 60_000
    assert not re.search(r'[" ]nan', html)


def test_a_trouble_of_the_pictures_has_no_score_and_no_face() -> None:
    said = words(
        kind=EventKind.BLACK, face_id=None, peak_at=None, peak_probability=None, rules=None, ended_at=None,
        state=EventState.INTERRUPTED,
    )  # fmt: skip
    assert "Black picture on front-door" in said
    assert "score" not in said.split("Where it comes from")[0]
    assert "It was last seen at 2026-11-23T12:00:14.000Z; interrupted: the monitor stopped" in said


def test_the_stream_that_shows_the_same_picture_is_named() -> None:
    said = words(kind=EventKind.DUPLICATED, face_id=None, same_as="hall", peak_at=None, peak_probability=None)
    assert "same picture as another stream, hall. It ended" in said
    assert "Same picture as hall State ended" in said
    assert "Same picture as" not in words()


def test_times_that_are_none_are_no_error() -> None:
    page_of(a_series(), started_at=math.nan, ended_at=math.inf, peak_at=1e300, updated_at=-1e300)


def test_what_an_operator_wrote_keeps_its_lines() -> None:
    html = page_of(mark=ReviewMark.UNSURE, mark_note="a\xa0poster\r\n<b>of\tAnna\n", marked_at=START + 50)
    assert "<b>unsure</b>: a poster<br>&lt;b&gt;of Anna</p>" in html


def test_what_an_operator_made_of_it_is_told() -> None:
    said = words(mark=ReviewMark.FALSE_ALARM, mark_note="a poster", marked_at=START + 50)
    assert "Reviewed at 2026-11-23T12:00:50.000Z as false alarm: a poster" in said
