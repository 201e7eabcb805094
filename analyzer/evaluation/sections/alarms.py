"""Section C: the scores of every video, in their own time, through the rules that raise alerts on live streams."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from scipy.stats import chi2

from analyzer.alerting.series import Series, play
from analyzer.alerting.verdict import Sensitivity, VerdictRules
from analyzer.config import DEFAULT_AGGREGATE, NUM_FRAMES
from analyzer.datatypes import Alert, FaceKey, Observation
from analyzer.errors import ConfigError, WeightsError
from analyzer.evaluation.results.kept import Kept, key_of, state_of
from analyzer.evaluation.results.outcomes import settings_key
from analyzer.evaluation.results.section_figures import AlarmFigures, Interval
from analyzer.evaluation.sections.watched import WHOLE, Entered, Watch, Watched, entry_of, watched_from
from analyzer.evaluation.sections.workers import MakeTools, work_through
from analyzer.scorer import ScorerInfo
from analyzer.training.data.manifest import Row

CAUGHT_WITHIN_S: Final = 60.0
MAX_LOOP_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Alarms:
    """What the rules make of one stream."""

    raised_s: tuple[float, ...]
    """When alerts were raised, seconds after the first fit face."""
    length_s: float
    """Of the stream, seconds."""
    could_alert: bool
    """Whether the scores last as long as an alert needs."""
    alerted_s: float = 0.0
    """So long at least one alert was on."""


def run_alarms(
    rows: Sequence[Row],
    make: MakeTools,
    info: ScorerInfo,
    *,
    loop_s: float | None = None,
    jobs: int = 1,
    work: Path | None = None,
) -> AlarmFigures:
    """Watch every video of `rows` and count alerts; pictures and videos without a score are left out.

    `loop_s`: scores of shorter videos are repeated up to this length. Results are kept in `work`. Raises `ConfigError`,
    `WeightsError`, `ScorerError`, `DetectorError`.
    """
    if info.weights_sha256 is None:
        raise WeightsError("there are no trained weights, so there are no alerts to count")
    if loop_s is not None and not 0 < loop_s <= MAX_LOOP_S:
        raise ConfigError(f"expected at most {MAX_LOOP_S:g} seconds to loop videos up to, got {loop_s}")
    videos = [row for row in rows if not row.is_picture]
    kept = Kept(None if work is None else work / "alarms.jsonl")
    keys = [_key(row, info) for row in videos]
    found = [None if key is None else watched_from(kept.find(key)) for key in keys]
    todo = [place for place, one in enumerate(found) if one is None]
    columns = (TextColumn("watching"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done = work_through([Watch(videos[place].path) for place in todo], make, jobs)
    with Progress(*columns, console=Console(stderr=True)) as progress, closing(done):
        bar = progress.add_task("", total=len(videos), completed=len(videos) - len(todo))
        for place, one in done:
            found[todo[place]] = one
            key = keys[todo[place]]
            if key is not None:
                kept.add(key, entry_of(videos[todo[place]].file, one))
            progress.update(bar, advance=1)
    return alarm_figures([(row, one) for row, one in zip(videos, found, strict=True) if one], loop_s)


def _key(row: Row, info: ScorerInfo) -> str | None:
    try:
        return key_of(settings_key(info, DEFAULT_AGGREGATE), WHOLE.max_frames, *state_of(row.path))
    except (OSError, ValueError):  # gone, or a name that no file has: watching it will say so
        return None


def alarms_of(watched: Watched, loop_s: float | None = None, rules: VerdictRules | None = None) -> Alarms:
    """Send one video's scores through the live verdict rules, with media time as the clock."""
    rules = rules or VerdictRules()
    entered = watched.entered
    length_s = watched.duration_s
    scored = [one for one in entered if one.logit is not None]
    if loop_s is not None and length_s < loop_s and scored:
        entered, length_s = looped(entered, loop_s), loop_s
    start_s = entered[0].at_s if entered else 0.0
    observations = tuple(Observation(one.at_s, one.face_id, one.filled, one.logit) for one in entered)
    told = play(Series("evaluation", Sensitivity.BALANCED, observations, length_s), rules)
    events = [event for event in told if isinstance(event, Alert)]
    lasting_s = entered[-1].at_s - scored[0].at_s if scored else 0.0
    return Alarms(
        raised_s=tuple(event.at_s - start_s for event in events if event.raised),
        length_s=length_s,
        could_alert=bool(scored) and lasting_s >= rules.shortest_s,
        alerted_s=_alerted_s(events, length_s),
    )


def _alerted_s(events: Sequence[Alert], length_s: float) -> float:
    """How long at least one alert was on, from raised to cleared, or to the end of the stream."""
    total_s, on_since_s = 0.0, 0.0
    on: set[FaceKey] = set()
    for event in events:
        if event.raised:
            on_since_s = on_since_s if on else event.at_s
            on.add(event.key)
        elif on == {event.key}:
            total_s += event.at_s - on_since_s
            on.clear()
        else:
            on.discard(event.key)
    return total_s + (max(length_s - on_since_s, 0.0) if on else 0.0)


def looped(entered: Sequence[Entered], loop_s: float) -> tuple[Entered, ...]:
    """Repeat the scored windows until `loop_s` of media time; the windows that were filling come once.

    The scores are repeated, not the pictures: no window spans the cut, so the stream goes on as it was. Windows that
    were filling anew after the last score are left out, for the first repeated one follows right upon it.
    """
    scored = [one for one in entered if one.logit is not None]
    times = sorted({one.at_s for one in scored})
    step_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / 6
    period_s = times[-1] - times[0] + step_s
    rounds = math.ceil((loop_s - times[-1]) / period_s)
    if rounds < 1:
        return tuple(entered)
    out = [one for one in entered if one.at_s <= times[-1]]
    for i in range(1, rounds + 1):
        shifted = (Entered(one.face_id, one.at_s + i * period_s, NUM_FRAMES, one.logit) for one in scored)
        out += [one for one in shifted if one.at_s <= loop_s]
    return tuple(out)


def alarm_figures(watched: Sequence[tuple[Row, Watched]], loop_s: float | None = None) -> AlarmFigures:
    """Section C from what was watched, by each sensitivity; videos without one score count nowhere."""
    by_rules = {sensitivity: _figures(watched, loop_s, sensitivity.rules) for sensitivity in Sensitivity}
    usual = by_rules.pop(Sensitivity.BALANCED)
    return replace(usual, others={sensitivity.value: figures for sensitivity, figures in by_rules.items()})


def _figures(watched: Sequence[tuple[Row, Watched]], loop_s: float | None, rules: VerdictRules) -> AlarmFigures:
    usable = [(row, one) for row, one in watched if one.has_score]
    silent = [row.fake for row, one in watched if not one.has_score]
    streams = [_Stream(row.fake, one.duration_s, alarms_of(one, loop_s, rules)) for row, one in usable]
    reals = [one.alarms for one in streams if not one.fake]
    fakes = [one.alarms for one in streams if one.fake]
    hours = sum(alarms.length_s for alarms in reals) / 3600
    episodes = sum(len(alarms.raised_s) for alarms in reals)
    first = [alarms.raised_s[0] for alarms in fakes if alarms.raised_s]
    # What is repeated is no new evidence, and an interval would take it for that.
    independent = not any(one.looped for one in streams if not one.fake)
    return AlarmFigures(
        real_hours=hours,
        real_streams=len(reals),
        episodes=episodes,
        episodes_per_hour=episodes / hours if hours else None,
        episodes_per_hour_ci=poisson_interval(episodes, hours) if hours and independent else None,
        real_streams_with_alert=sum(bool(alarms.raised_s) for alarms in reals),
        fake_streams=len(fakes),
        caught_60_s=sum(at_s <= CAUGHT_WITHIN_S for at_s in first),
        caught=len(first),
        median_s_to_alert=statistics.median(first) if first else None,
        note=_note(streams, silent, loop_s),
        alerted_s=sum(alarms.alerted_s for alarms in reals),
    )


@dataclass(frozen=True, slots=True)
class _Stream:
    fake: bool
    seconds: float
    """Of different footage."""
    alarms: Alarms

    @property
    def looped(self) -> bool:
        return self.alarms.length_s > self.seconds


def _note(streams: Sequence[_Stream], silent: Sequence[bool], loop_s: float | None) -> str:
    if not streams:
        return "no video had a score"
    distinct_min = sum(one.seconds for one in streams if not one.fake) / 60
    lengths = [
        f"{statistics.median(of_kind):.0f} s ({kind})"
        for kind, fake in (("real", False), ("fake", True))
        if (of_kind := [one.seconds for one in streams if one.fake == fake])
    ]
    parts = [f"{distinct_min:.1f} distinct minutes of real footage; videos last {', '.join(lengths)} in the median"]
    repeated = [one.fake for one in streams if one.looped]
    if repeated:
        told = f"looped footage: the scores of shorter videos ({_by_kind(repeated)}) are repeated up to {loop_s:g} s"
        if not all(repeated):
            told += ", so the hours are not hours of different footage, and there is no interval"
        parts.append(told)
    short = [one.fake for one in streams if not one.alarms.could_alert]
    if short:
        parts.append(f"{len(short)} of {len(streams)} are too short for any alert ({_by_kind(short)})")
    if silent:
        parts.append(f"{len(silent)} more had no score and count nowhere ({_by_kind(silent)})")
    return "; ".join(parts)


def _by_kind(fake: Sequence[bool]) -> str:
    return f"{fake.count(False)} real, {fake.count(True)} fake"


def poisson_interval(count: int, exposure: float) -> Interval:
    """Exact 95 % interval of a rate from a count of independent events (Garwood, Biometrika 1936)."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return low / exposure, float(chi2.ppf(0.975, 2 * count + 2)) / 2 / exposure
