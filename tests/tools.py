"""What to do where a tool that a test drives is missing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing_tool(why: str) -> NoReturn:
    """Skip the test, loudly; with CI=true, where every tool must be there, fail it."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{why} (with CI=true nothing may skip for a missing tool: tests/install_tools.sh)")
    pytest.skip(f"NOT TESTED: {why}")
