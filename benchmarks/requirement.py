"""What a run must have measured, such as `score_cost.naive_over_cached>=6`: how CI notices that something got slower.

Require ratios of one run, never times: machines differ, and so do their neighbours.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from analyzer.errors import ConfigError

_COMPARED: Final[dict[str, Callable[[float, float], bool]]] = {">=": operator.ge, "<=": operator.le}
_FORM: Final = re.compile(r"\s*([\w.]+)\s*(>=|<=)\s*([\d.]+)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One bound of one figure."""

    key: str
    """Where the figure stands in the results, its steps joined by dots."""
    comparison: str
    """`>=` or `<=`."""
    bound: float

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """`KEY>=NUMBER` or `KEY<=NUMBER`. Raises `ConfigError`."""
        found = _FORM.fullmatch(text)
        try:
            if found is not None:
                return cls(found[1], found[2], float(found[3]))
        except ValueError:
            pass
        raise ConfigError(f"expected KEY>=NUMBER or KEY<=NUMBER, such as parity.dp_max<=0.01, got {text[:80]!r}")

    def missed(self, results: Mapping[str, Any]) -> str | None:
        """Why the results do not meet it, None where they do. A figure that was not measured does not."""
        found: Any = results
        for step in self.key.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, bool) or not isinstance(found, int | float) or math.isnan(found):
            return f"{self.key} was not measured"
        if _COMPARED[self.comparison](found, self.bound):
            return None
        return f"{self.key} is {found:.4g}, required is {self.comparison} {self.bound:g}"
