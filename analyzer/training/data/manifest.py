"""The list of files to learn from or to be measured on, and how its groups are shared out.

A manifest is a text file of tab-separated columns with a header: `file` (relative to the manifest), `kind` (real or
fake), `method`, and optionally `split`, `family`, `group`, `source`, `paired_real` and `label_of`. Other columns are
ignored.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analyzer.errors import ConfigError

REQUIRED: Final = ("file", "kind", "method")
ONE_FACE: Final = "one face"
"""In the column `label_of`."""
PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MAX_BYTES: Final = 64 * 2**20
"""A longer manifest is taken for a mistake (a video given in its place)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a manifest."""

    file: str
    """As written in the manifest; names the file in reports."""
    path: Path
    fake: bool
    method: str
    split: str
    family: str
    group: str
    """What comes from one source or shows one person; never divided between splits. The file itself when not given."""
    source: str = ""
    """Where it was collected; reals and fakes of one source look alike but for the faking. Empty when not given."""
    paired_real: str = ""
    """The `file` of the real clip that this fake was made from, or its name; such a pair is never divided."""
    one_face: bool = False
    """The label is of one face, and nobody says of which: a file that shows several cannot be used."""

    @property
    def is_picture(self) -> bool:
        return self.path.suffix.lower() in PICTURE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be used, and why."""

    file: str
    reason: str


def printable(text: str) -> str:
    """With what is no text (a file's name need not be UTF-8) spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def read_manifest(path: Path, split: str | None = None) -> list[Row]:
    """The rows of a manifest, of one `split` if given, or of several with commas between them.

    Raises `ConfigError` when it cannot be read, is no text, lacks a column, has a bad row, or has no rows (of `split`).
    """
    lines = _text(path).splitlines()
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(
            f"{path}: expected tab-separated columns {', '.join(REQUIRED)} in its first line, "
            f"missing {', '.join(missing)}"
        )
    rows = [_row(path, number, values) for number, values in enumerate(reader, start=2)]
    if not rows:
        raise ConfigError(f"{path}: no rows below the header")
    if split is None:
        return rows
    wanted = [split] if any(row.split == split for row in rows) else [name.strip() for name in split.split(",")]
    for name in wanted:
        if not name or not any(row.split == name for row in rows):
            raise ConfigError(f"{path}: no rows of split {name!r}; it has {_splits_of(rows)}")
    return [row for row in rows if row.split in wanted]


def _splits_of(rows: Iterable[Row]) -> str:
    """For people: the splits that there are."""
    return ", ".join(sorted({row.split or "rows without a split" for row in rows}))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: expected a manifest of at most {MAX_BYTES // 2**20} MB; is it a video?")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the manifest: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected a text file of tab-separated columns, got binary data") from error
    if "\0" in text:
        raise ConfigError(f"{path}: expected a text file of tab-separated columns, got binary data")
    if not text.strip():
        raise ConfigError(f"{path}: the manifest is empty; expected columns {', '.join(REQUIRED)}")
    return text


def _row(path: Path, number: int, values: Mapping[str | None, str | list[str]]) -> Row:
    def cell(name: str) -> str:
        value = values.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    file, kind = cell("file"), cell("kind").lower()
    if not file:
        raise ConfigError(f"{path}, line {number}: the column `file` is empty")
    if kind not in {"real", "fake"}:
        raise ConfigError(f"{path}, line {number}: expected kind real or fake, got {kind!r}")
    return Row(
        file=file,
        path=path.parent / file,
        fake=kind == "fake",
        method=cell("method") or kind,
        split=cell("split"),
        family=cell("family") or cell("method") or kind,
        group=cell("group") or file,
        source=cell("source") or cell("repository"),
        paired_real=cell("paired_real"),
        one_face=cell("label_of") == ONE_FACE,
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the rows the held-out parts get, and which groups are put somewhere by hand."""

    dev: float = 0.12
    calibration: float = 0.12
    window: float = 0.0
    """Of what is left to train with: kept away from stage A, for stage B."""
    placed: Mapping[str, str] | None = None
    """Group -> part. What the rows' splits say counts for less."""


NAMED: Final = 5
"""So many groups are named in a message."""
PARTS: Final = ("train", "window", "dev", "calibration")
"""What rows are shared out into; as a split of the manifest, all but "train" place the row's whole group."""


def chosen_rows(path: Path, split: str | None) -> list[Row]:
    """The rows to train from: those of `split`; without one those whose split is empty or one of `PARTS`.

    Raises `ConfigError` as `read_manifest` does, and when all rows are of other splits.
    """
    rows = read_manifest(path, split)
    if split is not None:
        return rows
    chosen = [row for row in rows if row.split in ("", *PARTS)]
    if not chosen:
        raise ConfigError(
            f"{path}: no row is meant to be trained from: its splits are {_splits_of(rows)}. Leave the column `split` "
            f"empty, write one of {', '.join(PARTS)} into it, or name a split (--split)"
        )
    return chosen


def read_places(path: Path) -> dict[str, str]:
    """Two tab-separated columns, group and part; empty lines and those that start with # are passed over.

    Raises `ConfigError` for anything else, and for a group placed twice.
    """
    places: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        group, _, part = (cell.strip() for cell in line.partition("\t"))
        if not group or part not in PARTS:
            raise ConfigError(f"{path}, line {number}: expected a group, a tab, and one of {', '.join(PARTS)}")
        if places.setdefault(group, part) != part:
            raise ConfigError(f"{path}, line {number}: {group!r} was put into {places[group]} before")
    return places


def check_places(placed: Mapping[str, str], rows: Iterable[Row]) -> None:
    """`ConfigError` where a group is placed that is none of `rows`: all there are, also those without a usable face."""
    groups = {row.group for row in rows}
    unknown = [group for group in placed if group not in groups]
    if unknown:
        named, more = ", ".join(map(repr, unknown[:NAMED])), len(unknown) - NAMED
        raise ConfigError(
            f"no file is of the group {named}{f' (and {more} more)' if more > 0 else ''} that is placed by hand: a "
            "group's name is what stands in the column `group`, or in `file` where that is empty or missing; in a "
            "folder it is the file's path below the folder (real/a.mp4)"
        )


def share_out(rows: Sequence[Row], seed: int, shares: Shares | None = None) -> dict[str, list[Row]]:
    """Divide rows into `PARTS`; no group is ever in two of them.

    A group goes where `Shares.placed` puts it, otherwise where the split of its rows does (dev, calibration, window),
    otherwise where its name does: by a hash of name and seed alone, so rows added later move nobody. No group is drawn
    into a part that the splits name. With few large groups a part may stay empty: place them by hand. Raises
    `ConfigError` for a part that there is not, and for a group whose rows are of two parts.
    """
    shares = shares or Shares()
    by_hand = dict(shares.placed or {})
    wrong = sorted(set(by_hand.values()) - set(PARTS))
    if wrong:
        raise ConfigError(f"a group can be placed in {', '.join(PARTS)}, not in {', '.join(wrong)}")
    by_split = _places_by_split(rows, by_hand)
    named = set(by_split.values())
    drawn = replace(
        shares,
        dev=0.0 if "dev" in named else shares.dev,
        calibration=0.0 if "calibration" in named else shares.calibration,
        window=0.0 if "window" in named else shares.window,
    )
    placed = {**by_split, **by_hand}
    parts: dict[str, list[Row]] = {name: [] for name in PARTS}
    for row in rows:
        parts[placed.get(row.group) or _part(row.group, seed, drawn)].append(row)
    return parts


def _places_by_split(rows: Sequence[Row], by_hand: Mapping[str, str]) -> dict[str, str]:
    members: dict[str, list[Row]] = {}
    for row in rows:
        if row.split and row.group not in by_hand:  # one without a split goes where the others of its group go
            members.setdefault(row.group, []).append(row)
    splits = {group: {row.split for row in listed} for group, listed in members.items()}
    divided = [group for group, names in splits.items() if len(names) > 1 and names & set(PARTS[1:])]
    if divided:
        named = "; ".join(f"{group!r} ({_by_split(members[group])})" for group in divided[:NAMED])
        more = f"; and {len(divided) - NAMED} more" if len(divided) > NAMED else ""
        raise ConfigError(
            f"files of one group must be in one split, or what was learned would be measured; divided are: "
            f"{named}{more}. Write one split for each group into the manifest, or put the group into a part by hand "
            "(--place)"
        )
    return {group: name for group, (name, *_) in splits.items() if name in PARTS[1:]}


def _by_split(rows: Sequence[Row]) -> str:
    """For people: the first file of each split, and how many more there are."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.split, []).append(printable(row.file))
    return ", ".join(
        f"{split}: {files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}"
        for split, files in sorted(found.items())
    )


def _part(group: str, seed: int, shares: Shares) -> str:
    point = int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:6], "big") / 2**48
    held_out = shares.dev + shares.calibration
    if point < shares.dev:
        return "dev"
    if point < held_out:
        return "calibration"
    # at the other end, so that another share of windows moves nobody into or out of what is held out
    return "window" if point >= 1 - shares.window * (1 - held_out) else "train"


def paired_reals(rows: Iterable[Row]) -> dict[str, Row]:
    """File of each row -> the row that its `paired_real` names, by file or by name; only where it names exactly one."""
    listed = list(rows)
    by_name: dict[str, list[Row]] = {}
    for row in (row for row in listed if not row.fake):
        for name in {row.file, row.path.name}:
            by_name.setdefault(name, []).append(row)
    named = ((row.file, by_name.get(row.paired_real, [])) for row in listed if row.paired_real)
    return {file: partners[0] for file, partners in named if len(partners) == 1}


def count_kinds(rows: Iterable[Row]) -> tuple[int, int]:
    """How many rows are real, and how many fake."""
    kinds = [row.fake for row in rows]
    return kinds.count(False), kinds.count(True)
