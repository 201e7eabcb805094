"""What a run writes down as it goes: one JSON object per line of `metrics.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

METRICS: Final = "metrics.jsonl"


class MetricsLog:
    """The lines of one run. Call it to add one; raises `OSError` when that cannot be written."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        """`anew`: what another run wrote there is deleted, or plots would mix the two."""
        self._path = folder / METRICS
        if anew:
            self._path.unlink(missing_ok=True)

    def __call__(self, values: Mapping[str, object]) -> None:
        """Add one line."""
        # names of files may hold bytes that are no text
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(values, ensure_ascii=False) + "\n")
