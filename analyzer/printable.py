"""Text from outside as it may be shown to people."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """What steers terminals or turns the reading direction is spelled out; all other scripts stay as they are."""
    return "".join(
        char if char == " " or unicodedata.category(char)[0] in "LMNPS" else char.encode("unicode_escape").decode()
        for char in text
    )
