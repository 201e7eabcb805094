from __future__ import annotations

from pathlib import Path

import pytest

from tests.videos import moving_face, write_video


@pytest.fixture(scope="session")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a face so bright that the fake scorer calls it fake."""
    path = tmp_path_factory.mktemp("bright") / "bright.mp4"
    return write_video(path, (picture // 2 + 120 for picture in moving_face(80, (240, 200))), fps=10)
