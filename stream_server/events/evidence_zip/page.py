"""The report of an event as one HTML file: it loads nothing, runs nothing, and no text in it is ever read as HTML."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Iterable, Sequence
from typing import Final

from analyzer.alerting.series import parse_series
from analyzer.errors import SeriesError
from analyzer.printable import printable
from analyzer.scorer import sigmoid
from stream_server.about import NAME, VERSION
from stream_server.event import Event, EventKind, EventState, Part
from stream_server.events.evidence_zip import words
from stream_server.events.evidence_zip.chart import draw
from stream_server.events.evidence_zip.curve import Curve, make_curve
from stream_server.events.evidence_zip.page_style import STYLE

SCORES: Final = "scores.jsonl"
STRIP: Final = "strip.jpg"
WHERE: Final = "where.jpg"
CLIP: Final = "clip.mp4"
SNAPSHOTS: Final = {"snapshot-start.jpg": "start", "snapshot-peak.jpg": "peak", "snapshot-end.jpg": "end"}
MAX_PICTURE: Final = 4_000_000
"""Bytes; a larger picture is named instead of shown. Ours have some 100 kB."""
MAX_CLIP: Final = 8_000_000
"""Bytes, as above: a page of more opens slowly."""
MAP_WORDS: Final = (
    "Where the network looked: 7 × 7, coarse. In tests it found the changed part no better than always pointing at the "
    "middle. Not proof of where, or that, a face was changed."
)
"""As in static/js/streams/evidence.js; a test compares them."""

_HEAD: Final = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    # second lock behind escaping: even a tag that got through could load and run nothing
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; media-src data:; '
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
    '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
)
_STATES: Final = {
    EventState.OPEN: "still going on when this was put together",
    EventState.ENDED: "ended",
    EventState.INTERRUPTED: "interrupted: the monitor stopped or the stream went, nobody saw the end",
}


def text(value: object) -> str:
    """Anything as HTML text, also inside a quoted attribute."""
    return html.escape(printable(str(value)), quote=True)


def make_page(event: Event, parts: Sequence[Part], made_at: float) -> str:
    """The whole document about an event and the files of its evidence. `made_at` is in Unix seconds."""
    files = {part.name: part for part in parts}
    title = f"{event.kind.capitalize()} on {event.stream_id}"
    body = [
        f"<header><h1>{text(event.kind.capitalize())} on <bdi>{text(event.stream_id)}</bdi></h1>",
        f'<p class="muted">Event {text(event.id)}, put together {_time(made_at)} by {NAME} {text(VERSION)}</p>',
        f'<p class="lead">{_story(event)}</p>{_review(event)}{_honest(event)}</header>',
        "<main>",
        _scores(event, files.get(SCORES)),
        _pictures(event, files),
        _notes(event, files),
        _facts(event),
        _files(parts),
        _verifying(),
        "</main>",
    ]
    return (
        f"{_HEAD}<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _story(event: Event) -> str:
    who = "" if event.face_id is None else f", of face {event.face_id},"
    said = (
        f"The monitor raised an alert about the stream <bdi>{text(event.stream_id)}</bdi>{who} at "
        f"<b>{_time(event.started_at)}</b>: {text(event.kind)}"
        + (f", <bdi>{text(event.same_as)}</bdi>." if event.same_as else ".")
    )
    if event.ended_at is not None:
        lasted = words.duration(event.ended_at - event.started_at)
        said += f" It ended at {_time(event.ended_at)}, after {lasted}."
    else:
        said += f" It was last seen at {_time(event.updated_at)}; {_STATES[event.state]}."
    if event.peak_probability is not None:
        said += (
            f" The highest score was <b>{words.percent(event.peak_probability)}</b>, at {_time(event.peak_at)}; "
            f"{event.scores} windows of 16 pictures were scored meanwhile."
        )
    return said


def _time(seconds: float | None) -> str:
    return f'<span class="time">{words.utc(seconds)}</span>'


def _review(event: Event) -> str:
    if event.mark is None:
        return ""
    # blanks of every sort as one, for only the common one is shown as it is
    lines = [text(" ".join(line.split())) for line in event.mark_note.splitlines()]
    note = f": {'<br>'.join(lines)}" if lines else ""
    return f"<p><b>Reviewed</b> at {_time(event.marked_at)} as <b>{text(event.mark)}</b>{note}</p>"


def _honest(event: Event) -> str:
    if event.kind is not EventKind.MANIPULATION:
        return (
            '<div class="honest"><p>This tells what the pictures were like, not why: a covered lens, a cable, a stuck '
            "encoder or somebody's intent can look the same.</p></div>"
        )
    return (
        '<div class="honest"><p><b>A score is the opinion of a network, not proof.</b> High scores happen for real '
        "faces, low ones for fakes: it says where people should look, and people must judge.</p>"
        f"<p>The map is where the network looked, not where a face was changed. {text(MAP_WORDS)}</p></div>"
    )


def _scores(event: Event, part: Part | None) -> str:
    if event.face_id is None and part is None:
        return ""
    inner = f'<p class="muted">No chart: {SCORES} is not part of this evidence.</p>'
    if part is not None:
        try:
            curve = make_curve(parse_series(io.BytesIO(part.data), SCORES), event)
            inner = _chart(curve, event)
        except SeriesError as error:
            inner = f'<p class="muted">No chart: {text(error)}.</p>'
    return f"<section><h2>Scores over time</h2>{inner}</section>"


def _chart(curve: Curve, event: Event) -> str:
    said = [f"{curve.scores} scores of face {event.face_id}; each is of the 16 pictures before it."]
    if not (curve.scores or curve.unfit):
        said = ["No score of this face is in the series."]
    if curve.not_numbers:
        said.append(f"{curve.not_numbers} more were no numbers and are not drawn.")
    if curve.aligned:
        said.append("The series has a clock of its own: its place in time is guessed.")
    if curve.unfit:
        lost_s: dict[str, float] = {}
        for one in curve.unfit:
            lost_s[one.reason] = lost_s.get(one.reason, 0.0) + one.end_s - one.start_s
        listed = ", ".join(f"{text(reason)} {words.duration(seconds)}" for reason, seconds in lost_s.items())
        said.append(f'<span class="key"></span> could not be judged: {listed}.')
    return (
        '<figure><div class="wide" tabindex="0" role="region" aria-label="Scores over time">'
        f"{draw(curve, event)}</div><figcaption>{' '.join(said)}</figcaption></figure>"
    )


def _pictures(event: Event, files: dict[str, Part]) -> str:
    shots = "".join(
        _picture(files[name], f"The picture at the {when}", f"{when.capitalize()}; the time stands in the picture.")
        for name, when in SNAPSHOTS.items()
        if name in files
    )
    strip = (
        _picture(files[STRIP], "The 16 faces in order", "The 16 faces of the most suspicious window, oldest first.")
        if STRIP in files
        else ""
    )
    if WHERE in files:
        strip += _picture(files[WHERE], "The newest face with a map", f"The newest of them. {MAP_WORDS}")
    clip = _clip(files[CLIP]) if CLIP in files else ""
    if shots or strip or clip:
        grid = f'<div class="shots">{shots}</div>' if shots else ""
        return f"<section><h2>Pictures</h2>{grid}{strip}{clip}</section>"
    why = "the stream is set so that none are kept" if event.private else "none are part of this evidence"
    return f'<section><h2>Pictures</h2><p class="muted">No pictures: {why}.</p></section>'


def _picture(part: Part, says: str, caption: str) -> str:
    shown = f'<img src="{_data(part, "image/jpeg")}" alt="{text(says)}">'
    if len(part.data) > MAX_PICTURE:
        shown = f"<p>See {text(part.name)} beside this page.</p>"
    return f"<figure>{shown}<figcaption>{text(caption)}</figcaption></figure>"


def _clip(part: Part) -> str:
    if len(part.data) > MAX_CLIP:
        return f"<p>The video around it is {text(part.name)}, beside this page ({words.size(len(part.data))}).</p>"
    # the address names the type and not `part.media_type`, which is anybody's text
    return (
        f'<figure><video controls preload="metadata" src="{_data(part, "video/mp4")}"></video>'
        f"<figcaption>The video around it, {text(part.name)}.</figcaption></figure>"
    )


def _data(part: Part, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(part.data).decode()}"


def _notes(event: Event, files: dict[str, Part]) -> str:
    gone = [f"{one.name} belongs to the event, but is not here" for one in event.parts if one.name not in files]
    missing = [*event.notes, *gone]
    if not missing:
        return ""
    return f"<section><h2>What is missing</h2><ul>{_items(text(one) for one in missing)}</ul></section>"


def _facts(event: Event) -> str:
    rules = event.rules
    if rules is None:
        by = "those of the pictures, not of scores" if event.kind is not EventKind.MANIPULATION else words.UNKNOWN
    else:
        by = (
            f"sensitivity {rules.sensitivity}: scores above {_logit(rules.alert_above)} were evidence, "
            f"{rules.alert_evidence:g} logit seconds of it raised the alert, and it ended when the smoothed score "
            f"stayed under {_logit(rules.clear_below)}"
        )
    pairs = [
        ("Stream", event.stream_id),
        ("What", event.kind),
        *([("Same picture as", event.same_as)] if event.same_as else []),
        ("State", _STATES[event.state]),
        ("Face", "the picture as a whole" if event.face_id is None else event.face_id),
        ("Start", words.utc(event.started_at)),
        ("Peak", words.utc(event.peak_at)),
        ("End", words.utc(event.ended_at)),
        ("Raised by", by),
        ("Source", f"{event.source_kind or words.UNKNOWN}{f', {event.source_url}' if event.source_url else ''}"),
        ("Network", event.model or words.UNKNOWN),
        ("Its weights, sha256", event.weights_sha256 or words.UNKNOWN),
        ("Watched by", f"{NAME} {event.version or words.UNKNOWN}"),
    ]
    inner = "".join(f"<dt>{text(name)}</dt><dd><bdi>{text(value)}</bdi></dd>" for name, value in pairs)
    return f"<section><h2>Where it comes from</h2><dl>{inner}</dl></section>"


def _logit(value: float) -> str:
    return f"{value:g} ({words.percent(sigmoid(value))})"


def _files(parts: Sequence[Part]) -> str:
    rows = "".join(
        f'<tr><td>{text(part.name)}</td><td class="size">{words.size(len(part.data))}</td>'
        f'<td class="sum">{hashlib.sha256(part.data).hexdigest()}</td></tr>'
        for part in parts
    )
    table = f"<table><thead><tr><th>File</th><th>Size</th><th>sha256</th></tr></thead><tbody>{rows}</tbody></table>"
    return (
        f"<section><h2>Files</h2>{table if parts else ''}"
        '<p class="muted">manifest.json lists these and, with them, event.json (the event for programs) and this page; '
        "signature.json signs that list.</p></section>"
    )


def _verifying() -> str:
    return (
        f"<section><h2>How to check this</h2><p>On the zip file as it was downloaded, not unpacked: "
        f"<code>{NAME} verify FILE --key FINGERPRINT</code>, with the fingerprint that the monitor shows. It finds any "
        "byte that was changed since the monitor signed it. It cannot say that the monitor was right, that its clock "
        "was, or that the camera saw what happened. This page on its own proves nothing: anybody can edit it.</p>"
        "</section>"
    )


def _items(items: Iterable[str]) -> str:
    return "".join(f"<li>{item}</li>" for item in items)
