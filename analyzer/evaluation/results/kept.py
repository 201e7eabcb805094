"""Results that are kept while the work goes on, so that a run that was cut off does nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from analyzer.errors import ConfigError

KEY: Final = "key"


class Kept:
    """A file of JSON lines, one for each result; only its owner writes to it.

    Lines that are no result (cut short when the power went, edited by hand) are passed over.
    """

    def __init__(self, path: Path | None) -> None:
        """Take up what is there; None keeps nothing on disk. Raises `ConfigError` when the file cannot be used."""
        self._path = path
        self._known: dict[str, str] = {}
        """Lines as they are: read, they would take ten times the room, and a list may have ten thousand files."""
        self._torn = False
        """The file ends in the middle of a line."""
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+", encoding="utf-8", errors="replace") as file:
                file.seek(0)
                line = "\n"
                for line in file:
                    self._take_up(line)
                self._torn = not line.endswith("\n")
        except OSError as error:
            raise ConfigError(f"{path}: cannot keep results there: {error.strerror or error}") from error

    def _take_up(self, line: str) -> None:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict) and isinstance(value.get(KEY), str):
            self._known[value[KEY]] = line

    def find(self, key: str) -> Mapping[str, object] | None:
        """What was kept under this key."""
        line = self._known.get(key)
        found: Mapping[str, object] | None = None if line is None else json.loads(line)
        return found

    def add(self, key: str, result: Mapping[str, object]) -> None:
        """Keep a result: numbers, words, lists of them. Raises `ConfigError` when the disk does not take it."""
        line = json.dumps({KEY: key, **result})
        self._known[key] = line
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(("\n" if self._torn else "") + line + "\n")
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot keep results there: {error.strerror or error}") from error
        self._torn = False


def code_digest(files: Iterable[Path]) -> str:
    """Of code, file by file by name: what it said before it changed is not taken up again."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def state_of(path: Path) -> tuple[str, int, int]:
    """What tells a file from others and from what it was: where it is, its size and time. `OSError` if it is gone.

    Not its content: twins (a real video and what was pasted into it) may begin and end alike.
    """
    there = path.resolve()
    stat = there.stat()
    return str(there), stat.st_size, stat.st_mtime_ns


def key_of(*parts: object) -> str:
    """A short name for everything that a result depends on."""
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()[:24]
