"""Fixtures that tests of several packages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cameras import Camera, Clip, Codec


@pytest.fixture(scope="session")
def face_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[Codec, Clip]:
    """Two seconds of a real face, 640 x 480 at 15 fps, as a camera sends them: by codec, `h264` and `h265`."""
    from tests.cameras import make_clip  # noqa: PLC0415 - heavy, and most tests need no camera

    folder = tmp_path_factory.mktemp("clips")
    return {"h264": make_clip(folder, "h264"), "h265": make_clip(folder, "h265")}


@pytest.fixture
def camera(face_clips: dict[Codec, Clip]) -> Iterator[Camera]:
    """A running RTSP camera with the paths `/h264` and `/h265`, TCP and UDP, no password. Mark the test `rtsp`."""
    from tests.cameras import Camera, require  # noqa: PLC0415 - as above

    require()
    with Camera({f"/{codec}": clip for codec, clip in face_clips.items()}) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _nothing_in_the_users_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test keeps anything in the user's data folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def _data_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in another test's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
