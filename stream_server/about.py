"""Name and version, as `/health`, the websocket and `--version` say them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

NAME: Final = "deepfake-monitor"


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "0+not-installed"  # run from a checkout that was never installed


VERSION: Final = _version()
