"""What is in an evidence zip: under which names, in which order, and how much of it at most."""

from __future__ import annotations

import re
from typing import Final

EVENT: Final = "event.json"
REPORT: Final = "report.html"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "signature.json"
OURS: Final = frozenset({EVENT, REPORT, MANIFEST, SIGNATURE})
"""Names that no part may bear. The first two begin the zip, the last two end it; the parts stand between."""

MAX_FILE: Final = 256 * 2**20
"""Bytes of one file, unpacked."""
MAX_TOTAL: Final = 2**30
"""Bytes of all files together, unpacked."""
MAX_ENTRIES: Final = 1000
"""Files in a zip, ours with them."""
MAX_NAME: Final = 100
"""Characters."""
MAX_HEADERS: Final = 2**20
"""Bytes of all that is no file's content: a thousand entries with the longest names need a quarter of it."""
MAX_MANIFEST: Final = 2**20
MAX_SIGNATURE: Final = 4096

_STEP: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME: Final = re.compile(rf"{_STEP}(?:/{_STEP})*", re.ASCII)


def is_name(name: str) -> bool:
    """Whether a file of evidence may bear it: plain, relative, and the same on every system that unpacks it."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None
