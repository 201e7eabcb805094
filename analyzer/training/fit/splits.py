"""From a manifest or a folder to cut-out faces in their parts: train, window, dev, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console

from analyzer.errors import ConfigError
from analyzer.training.data.dataset import Found, TrackCache
from analyzer.training.data.folder import folder_rows
from analyzer.training.data.leakage_groups import Joined, as_given, join_groups
from analyzer.training.data.manifest import (
    NAMED,
    PARTS,
    Row,
    Shares,
    check_places,
    chosen_rows,
    count_kinds,
    read_manifest,
    share_out,
)
from analyzer.training.data.perceptual_hash import hashes_of
from analyzer.training.fit.loop import Log
from analyzer.training.fit.options import TrainOptions
from analyzer.training.sampling.material import is_clip


def gather(options: TrainOptions, log: Log) -> dict[str, list[Found]]:
    """Cut out what is missing, put together what belongs together, and share it out.

    Says on the terminal, unless quiet, what came of it. Raises `ConfigError` for a bad manifest or folder, a place by
    hand for a group that there is not, when not one file has a usable face, or when no real one is left to train on.
    """
    rows = _rows(options)
    cache = TrackCache(options.cache or options.output / "faces")
    failures = cache.build(rows, workers=options.workers, quiet=options.quiet)
    for failure in failures:
        log({"stage": "faces", "file": failure.file, "left out": failure.reason})
    found = cache.load(rows)
    if not found:
        why = f": {failures[0].reason}" if failures else ""
        raise ConfigError(f"{options.manifest}: not one of {len(rows)} files has a usable face{why}")
    if options.join:
        joined = join_groups([row for row, _ in found], hashes_of(found, cache, quiet=options.quiet))
    else:
        joined = as_given([row for row, _ in found])
    log({"stage": "faces", "together": joined.report(), "largest": joined.largest})
    # names of files are no markup
    console = Console(stderr=True, quiet=options.quiet, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(found)} of {len(rows)} files have a usable face; {joined.report()}")
    tracks = {row.file: track for row, track in found}
    shared, apart = share_joined([row for row, _ in found], joined, options)
    if apart:
        log({"stage": "faces", "belong together but placed apart": apart})
        console.print(f"warning: {_placed_apart(apart)}")
    parts = {name: [(row, tracks[row.file]) for row in part] for name, part in shared.items()}
    for name, part in parts.items():
        reals, fakes = count_kinds(row for row, _ in part)
        groups = len({row.group for row, _ in part})
        log({"stage": "faces", "part": name, "real": reals, "fake": fakes, "groups": groups})
        console.print(f"{name}: {_kind('real', part, fake=False)}, {_kind('fake', part, fake=True)}, {groups} groups")
    if set(options.stages) & set("AB") and not _has(parts["train"], fake=False):
        raise ConfigError(_nothing_to_train_on(parts))
    for warning in lacking(parts, options):
        log({"stage": "faces", "warning": warning})
        console.print(f"warning: {warning}")
    return parts


def _rows(options: TrainOptions) -> list[Row]:
    source = options.manifest
    rows = folder_rows(source) if source.is_dir() else chosen_rows(source, options.split)
    known = rows if source.is_dir() else read_manifest(source)
    for path in options.add:
        more = chosen_rows(path, None)
        twice = {row.file for row in rows} & {row.file for row in more}
        if twice:  # faces are kept, and files told apart, by these names
            raise ConfigError(f"{path}: {min(twice)!r} is in another list too: give the file another name")
        rows, known = [*rows, *more], [*known, *more]
    if options.placed:
        check_places(options.placed, known)
    return rows


def _has(part: Sequence[Found], *, fake: bool) -> bool:
    return any(row.fake == fake for row, _ in part)


def _kind(name: str, part: Sequence[Found], *, fake: bool) -> str:
    tracks = [track for row, track in part if row.fake == fake]
    moving = sum(is_clip(track) for track in tracks)
    return f"{len(tracks)} {name} ({moving} clips, {len(tracks) - moving} pictures)"


def _nothing_to_train_on(parts: Mapping[str, Sequence[Found]]) -> str:
    groups = {name: len({row.group for row, _ in part if not row.fake}) for name, part in parts.items()}
    taken = ", ".join(f"{name} took {count}" for name, count in groups.items() if name != "train")
    return (
        f"no real face is left to train on: of {sum(groups.values())} groups with real faces {taken}. Put some into "
        "train by hand (--place), add files that do not belong together, or try another seed"
    )


def lacking(parts: Mapping[str, Sequence[Found]], options: TrainOptions) -> list[str]:
    """For people: which parts lack a kind of face that this run needs, and what follows from it."""
    dev, found = parts["dev"], [one for part in parts.values() for one in part]
    warnings = []
    if not _has(dev, fake=False):
        warnings.append("dev has no real face: there will be no figures on it")
    elif _has(found, fake=True) and not _has(dev, fake=True):
        warnings.append("dev has no fake: there will be no figures on fakes of yours, only on pseudo-fakes")
    if "B" in options.stages and options.window_share and not _has(parts["window"], fake=False):
        warnings.append("window has no real face: stage B learns from what stage A has seen")
    if "C" in options.stages and not _has(parts["calibration"], fake=False) and _has(dev, fake=False):
        warnings.append("calibration has no real face: dev is used instead, so figures on dev come out too good")
    if warnings:
        warnings.append("groups are put into a part by hand with --place, or by the column `split`")
    return warnings


def _placed_apart(apart: Sequence[Mapping[str, Sequence[str]]]) -> str:
    """For people: which groups belong together but are in different parts, and what to do."""
    named = [
        " and ".join(f"{', '.join(groups[:NAMED])} in {part}" for part, groups in places.items())
        for places in apart[:NAMED]
    ]
    more = f"; and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
    return (
        f"groups that look alike, share a file or are a fake and its real are in different parts: {'; '.join(named)}"
        f"{more}. What is measured on them comes out too good: put them into one part (column `split`, or --place)"
    )


def share_joined(
    rows: Sequence[Row], joined: Joined, options: TrainOptions
) -> tuple[dict[str, list[Row]], list[dict[str, list[str]]]]:
    """Share out rows so that what was put together is in one part.

    What was put together goes where one of it was placed by hand or by a split, otherwise where the first of its
    groups by name goes, so that the held-out parts get their share. The second result has an entry for each set of
    groups that belong together but were placed into different parts: its groups by part.
    """
    alone = share_out(rows, options.seed, Shares(window=options.window_share, placed=options.placed))
    wishes = {row.group: part for part, members in alone.items() for row in members}
    by_hand = {row.group for row in rows if row.group in options.placed or row.split in PARTS[1:]}
    members: dict[str, list[str]] = {}
    for group in wishes:
        members.setdefault(joined.names[group], []).append(group)
    decided: dict[str, str] = {}
    apart: list[dict[str, list[str]]] = []
    for together in members.values():
        placed = {wishes[group] for group in together if group in by_hand}
        part = min(placed) if placed else wishes[min(together)]
        decided |= {group: wishes[group] if group in by_hand else part for group in together}
        if len(placed) > 1:
            places = {name: sorted(group for group in together if decided[group] == name) for name in PARTS}
            apart.append({name: groups for name, groups in places.items() if groups})
    parts: dict[str, list[Row]] = {name: [] for name in PARTS}
    for row in rows:
        parts[decided[row.group]].append(replace(row, group=joined.names[row.group]))
    return parts, apart
