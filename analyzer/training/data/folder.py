"""A folder of files instead of a manifest: below `real/` all is real, below `fake/METHOD/` all made by METHOD."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from analyzer.errors import ConfigError
from analyzer.training.data.manifest import PICTURE_SUFFIXES, Row

VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp", ".ogv"}
)
HOW: Final = "put real videos and pictures below real/, fakes below fake/METHOD/"


def folder_rows(folder: Path) -> list[Row]:
    """One row for each video and picture below `folder`/real and `folder`/fake, in order of their names.

    Each file is a group of its own; `leakage_groups.py` finds those that look alike. Who knows which files show
    one person writes a manifest instead. Links to folders are not followed (they may lead back up), hidden files and
    files of other kinds passed over. Raises `ConfigError` when the folder cannot be read, or holds nothing real.
    """
    rows = [
        *(_row(folder, path, fake=False) for path in _files(folder / "real")),
        *(_row(folder, path, fake=True) for path in _files(folder / "fake")),
    ]
    if not any(not row.fake for row in rows):
        found = f"{len(rows)} fakes and " if rows else ""
        raise ConfigError(f"{folder}: found {found}no real video or picture; {HOW}")
    return rows


def _files(top: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        if Path(error.filename) != top:  # real/ or fake/ may be missing: told by what was found
            raise ConfigError(f"{error.filename}: cannot be listed: {error.strerror}") from error

    for parent, folders, names in os.walk(top, onerror=fail, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in VIDEO_SUFFIXES | PICTURE_SUFFIXES:
                yield path


def _row(folder: Path, path: Path, *, fake: bool) -> Row:
    inner = path.relative_to(folder)
    method = "real"
    if fake:
        method = inner.parts[1] if len(inner.parts) > 2 else "fake"
    name = inner.as_posix()
    return Row(name, path, fake, method, "", method, name)
