"""What the verdicts of a stream rest on, observation by observation: kept, written as JSON Lines, and played again.

A file begins with `{"series": 1, "stream_id": ..., "sensitivity": ..., "until": ...}`, the last being the time of the
fetch. Every other line is one observation: `t` in seconds (any origin) and `face`, with one of `logit` (a window was
scored), `filled` alone (it is still filling), `unfit` (why the face could not be judged) or `ended`. A logit that is no
finite number is one of the strings "nan", "inf" and "-inf". docs/alerts.md describes it for people.
"""

from __future__ import annotations

import io
import json
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

from analyzer.alerting.verdict import Sensitivity, VerdictPolicy, VerdictRules
from analyzer.config import NUM_FRAMES
from analyzer.datatypes import (
    Alert,
    Box,
    FaceCrop,
    FaceKey,
    NotScored,
    Observation,
    Quality,
    Score,
    Verdict,
    WindowUpdate,
)
from analyzer.errors import SeriesError
from analyzer.scorer import sigmoid

FORMAT: Final = 1
MAX_LINE: Final = 4096
"""Characters; ours have about 60."""
LARGEST: Final = 1e15
"""No logit and no time in seconds comes near; NaN and infinity are not under it either."""
_NOT_FINITE: Final = ("nan", "inf", "-inf")
MAX_FACES: Final = 10_000
"""That a file may have at once: more than any crowd, and bounded."""
KEPT_S: Final = 900.0
MAX_KEPT: Final = 20_000
"""Of one stream, some 3 MB: 15 minutes of 3 faces at 6 a second, or 5 minutes of 11."""
_BOX: Final = Box(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Series:
    """The observations of one stream, in the order in which they came."""

    stream_id: str
    sensitivity: Sensitivity
    """At its end."""
    observations: tuple[Observation, ...]
    until_s: float
    """When it was fetched: nothing was observed from the last of them until then."""

    def lines(self) -> Iterator[str]:
        """As JSON Lines, each with its line end."""
        head: dict[str, Any] = {"series": FORMAT, "stream_id": self.stream_id, "sensitivity": self.sensitivity.value}
        head["until"] = self.until_s
        yield json.dumps(head) + "\n"
        for one in self.observations:
            yield json.dumps(_entry(one)) + "\n"


class SeriesKeeper:
    """The newest observations of each stream, bounded in time and number: the oldest go. Thread-safe."""

    def __init__(self, kept_s: float = KEPT_S, most: int = MAX_KEPT) -> None:
        """`most` are kept of one stream."""
        self._kept_s = kept_s
        self._most = most
        self._lock = threading.Lock()
        self._newest: dict[str, deque[Observation]] = {}

    def begin(self, stream_id: str) -> None:
        """A stream is new: nothing is known of it."""
        with self._lock:
            self._newest[stream_id] = deque(maxlen=self._most)

    def add(self, stream_id: str, observation: Observation) -> None:
        """Keep one more. What still comes of a forgotten stream is ignored, unless its name is in use again."""
        with self._lock:
            newest = self._newest.get(stream_id)
            if newest is not None:
                newest.append(observation)
                self._trim(newest, observation.at_s)

    def of(self, stream_id: str, now_s: float) -> tuple[Observation, ...]:
        """In the order in which they came; none of an unknown stream."""
        with self._lock:
            newest = self._newest.get(stream_id, deque())
            self._trim(newest, now_s)
            return tuple(newest)

    def forget(self, stream_id: str) -> None:
        """The stream is gone."""
        with self._lock:
            self._newest.pop(stream_id, None)

    def _trim(self, newest: deque[Observation], now_s: float) -> None:
        while newest and newest[0].at_s < now_s - self._kept_s:
            newest.popleft()


def play(series: Series, rules: VerdictRules) -> list[Verdict | Alert]:
    """Everything that these rules tell of these observations, by time.

    The same alerts as live, as far as the series reaches: what was known before it began is not in it.
    """
    policy = VerdictPolicy(trained=True, rules_of=lambda _: rules)
    told: list[Verdict | Alert] = []
    for one in series.observations:
        key = FaceKey(series.stream_id, one.face_id)
        if one.ended:
            told += policy.on_ended(key, one.at_s)
        elif one.unfit is not None:
            quality = Quality(one.unfit, 0.0, 0.0, 0.0, 0.0)
            told += policy.on_unfit(FaceCrop(key, 0, 0, None, one.at_s, _BOX, quality, None))
        else:
            told += policy.on_update(WindowUpdate(key, one.filled, _score(key, one)), one.at_s)
    told += policy.tick(series.until_s)
    return sorted(told, key=lambda event: event.at_s)  # of several faces; each face's own are in order


def _score(key: FaceKey, one: Observation) -> Score | None:
    if one.logit is None:
        return None
    return Score(key, 0, 0, None, one.at_s, one.at_s, sigmoid(one.logit), one.logit, NUM_FRAMES)


def _entry(one: Observation) -> dict[str, Any]:
    entry: dict[str, Any] = {"t": one.at_s, "face": one.face_id}
    if one.ended:
        return {**entry, "ended": True}
    if one.unfit is not None:
        return {**entry, "unfit": one.unfit.value}
    entry["filled"] = one.filled
    if one.logit is None:
        return entry
    return {**entry, "logit": one.logit if math.isfinite(one.logit) else str(one.logit)}


def read_series(path: Path) -> Series:
    """Read what `Series.lines` wrote. Raises `SeriesError` for what is none, `OSError` for what cannot be read."""
    with path.open("rb") as file:
        return parse_series(file, path.name)


def parse_series(file: BinaryIO, name: str) -> Series:
    """As `read_series`, of what is open already; `name` is what errors call it. Closes the file."""
    try:
        with io.TextIOWrapper(file, encoding="utf-8") as text:
            lines = iter(lambda: text.readline(MAX_LINE), "")  # a line of gigabytes must not be read whole
            stream_id, sensitivity, until_s = _head(_parsed(next(lines, ""), 1))
            return Series(stream_id, sensitivity, tuple(_observations(lines)), until_s)
    except UnicodeDecodeError as error:
        raise SeriesError(f"{name} is no series of scores: it is not text") from error
    except SeriesError as error:
        raise SeriesError(f"{name} is no series of scores, or a damaged one: {error}") from error


def _head(head: dict[str, Any]) -> tuple[str, Sensitivity, float]:
    stream_id, until_s = head.get("stream_id"), head.get("until")
    if head.get("series") != FORMAT or not isinstance(stream_id, str) or not _is_number(until_s):
        raise SeriesError(f'line 1: expected "series": {FORMAT}, "stream_id", "sensitivity" and "until" (seconds)')
    try:
        return stream_id, Sensitivity(str(head.get("sensitivity"))), float(until_s)
    except ValueError as error:
        raise SeriesError(f"line 1: {error}") from error


def _observations(lines: Iterable[str]) -> Iterator[Observation]:
    faces: set[int] = set()
    for number, line in enumerate(lines, start=2):
        one = _observation(_parsed(line, number), number)
        (faces.discard if one.ended else faces.add)(one.face_id)
        if len(faces) > MAX_FACES:
            raise SeriesError(f"line {number}: more than {MAX_FACES} faces at once")
        yield one


def _parsed(line: str, number: int) -> dict[str, Any]:
    if len(line) >= MAX_LINE:
        raise SeriesError(f"line {number}: longer than {MAX_LINE} characters")
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SeriesError(f"line {number}: not JSON") from error
    if not isinstance(entry, dict):
        raise SeriesError(f"line {number}: expected a JSON object")
    return entry


def _observation(entry: dict[str, Any], number: int) -> Observation:
    at_s, face_id = entry.get("t"), entry.get("face")
    if not (_is_number(at_s) and _is_whole(face_id) and face_id >= 1):
        raise SeriesError(f"line {number}: expected numbers t (seconds) and face (1 or more)")
    if entry.get("ended") is True:
        return Observation(float(at_s), face_id, ended=True)
    if "unfit" in entry:
        try:
            return Observation(float(at_s), face_id, unfit=NotScored(entry["unfit"]))
        except ValueError as error:
            raise SeriesError(f"line {number}: {error}") from error
    filled, logit = entry.get("filled"), entry.get("logit")
    if not (_is_whole(filled) and 1 <= filled <= NUM_FRAMES):
        raise SeriesError(f"line {number}: expected filled, 1 to {NUM_FRAMES}, unfit or ended")
    if logit is None or _is_number(logit) or logit in _NOT_FINITE:
        return Observation(float(at_s), face_id, filled, None if logit is None else float(logit))
    raise SeriesError(f"line {number}: expected a number as logit")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
