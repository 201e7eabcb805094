"""Files that appear whole or not at all, and that are known to be writable before the work begins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from analyzer.errors import ConfigError


def check_writable(path: Path) -> None:
    """Find out now, and not after an hour of work, whether `path` can be written. Leaves nothing. `ConfigError`."""
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: expected the name of a file to write, got a folder")
        if _is_special(path):
            with path.open("ab"):
                return
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise _cannot(path, error) from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside the old one and rename it over: a reader, or a Ctrl-C, never meets half of it.

    What is no ordinary file (a pipe, /dev/stdout) is written to as it is. Raises `ConfigError`.
    """
    try:
        if _is_special(path):
            with path.open("ab") as file:
                file.write(data)
            return
        target = path.resolve()  # a link stays a link
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _cannot(path, error) from error


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _cannot(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot write the results there: {error.strerror or error}")
