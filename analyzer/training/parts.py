"""From a manifest or a folder to cut-out faces in their parts: train, window, dev, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from analyzer.errors import ConfigError
from analyzer.training.dataset import TrackCache
from analyzer.training.folder import folder_rows
from analyzer.training.groups import Joined, as_given, join_groups
from analyzer.training.likeness import hashes_of
from analyzer.training.loop import Log
from analyzer.training.manifest import PARTS, Row, Shares, chosen_rows, count_kinds, share_out
from analyzer.training.material import Found
from analyzer.training.options import TrainOptions


def gather(options: TrainOptions, log: Log) -> dict[str, list[Found]]:
    """Cut out what is missing, put together what belongs together, and share it out.

    Raises `ConfigError` for a bad manifest or folder, or when not one file has a usable face.
    """
    source = options.manifest
    rows = folder_rows(source) if source.is_dir() else chosen_rows(source, options.split)
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
    if not options.quiet:
        Console(stderr=True).print(f"{len(found)} of {len(rows)} files have a usable face; {joined.report()}")
    tracks = {row.file: track for row, track in found}
    shared, apart = share_joined([row for row, _ in found], joined, options)
    if apart:
        log({"stage": "faces", "belong together but placed apart": apart})
        if not options.quiet:
            Console(stderr=True).print(f"warning: belong together but were placed apart: {', '.join(apart)}")
    parts = {name: [(row, tracks[row.file]) for row in part] for name, part in shared.items()}
    for name, part in parts.items():
        reals, fakes = count_kinds(row for row, _ in part)
        groups = len({row.group for row, _ in part})
        log({"stage": "faces", "part": name, "real": reals, "fake": fakes, "groups": groups})
    return parts


def share_joined(rows: Sequence[Row], joined: Joined, options: TrainOptions) -> tuple[dict[str, list[Row]], list[str]]:
    """Share out rows so that what was put together is in one part; and groups left apart since they were placed so.

    What was put together goes where one of it was placed by hand or by a split, otherwise where the first of its
    groups by name goes, so that the held-out parts get their share.
    """
    alone = share_out(rows, options.seed, Shares(window=options.window_share, placed=options.placed))
    wishes = {row.group: part for part, members in alone.items() for row in members}
    by_hand = {row.group for row in rows if row.group in options.placed or row.split in PARTS[1:]}
    members: dict[str, list[str]] = {}
    for group in wishes:
        members.setdefault(joined.names[group], []).append(group)
    decided: dict[str, str] = {}
    apart: list[str] = []
    for together in members.values():
        placed = {wishes[group] for group in together if group in by_hand}
        part = min(placed) if placed else wishes[min(together)]
        decided |= {group: wishes[group] if group in by_hand else part for group in together}
        apart += sorted(group for group in together if len(placed) > 1 and group in by_hand)
    parts: dict[str, list[Row]] = {name: [] for name in PARTS}
    for row in rows:
        parts[decided[row.group]].append(replace(row, group=joined.names[row.group]))
    return parts, apart
