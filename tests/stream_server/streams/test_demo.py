from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Pixels
from analyzer.faces.crop import crop_face
from analyzer.faces.detector import YuNetDetector
from analyzer.faces.quality import judge_quality
from analyzer.faces.tracker import Tracker
from stream_server.streams.demo import (
    PSEUDO_FAKE,
    REAL,
    ClipPlan,
    add_demo_streams,
    make_demo_clips,
    render_pseudo_fake,
    render_real,
)
from stream_server.streams.sources.base import StreamState
from stream_server.streams.stream import StreamSettings
from tests.stream_server.streams.test_registry import World

SHORT = ClipPlan(seconds=2)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_demo_clips(tmp_path_factory.mktemp("demo"), SHORT)


@cache
def _read(path: Path) -> list[Pixels]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", [REAL, PSEUDO_FAKE])
def test_a_demo_clip_holds_one_face_that_is_fit_to_be_judged_in_every_frame(clips: dict[str, Path], name: str) -> None:
    detector, tracker, config = YuNetDetector(), Tracker(), AnalyzerConfig()
    pictures = _read(clips[name])
    assert len(pictures) == SHORT.frames
    for index, picture in enumerate(pictures):
        assert picture.shape == (480, 640, 3)
        (face,) = tracker.update(detector.detect(picture), index / SHORT.fps, (640, 480))
        quality = judge_quality(crop_face(picture, face.smoothed), face, (640, 480), config)
        assert quality.fit, quality
        assert quality.size_px >= 100
        assert face.face_id == 1


@pytest.mark.parametrize("name", [REAL, PSEUDO_FAKE])
def test_the_last_frame_leads_into_the_first(clips: dict[str, Path], name: str) -> None:
    pictures = [cv2.GaussianBlur(picture, (0, 0), 2).astype(np.float32) for picture in _read(clips[name])]
    steps = [float(np.abs(pictures[i] - pictures[i - 1]).mean()) for i in range(len(pictures))]
    # steps[0] is the one over the cut
    assert steps[0] <= 1.2 * max(steps[1:])
    assert min(steps) > 0, "it moves"


def test_the_pseudo_fake_differs_in_the_face_and_nowhere_else() -> None:
    plan = ClipPlan(seconds=1)
    real = render_real(plan)
    fake = render_pseudo_fake(plan, real)
    assert len(fake) == plan.frames
    detector = YuNetDetector()
    for before, after in zip(real[::5], fake[::5], strict=True):
        changed = np.abs(before.astype(int) - after).max(axis=2)
        box = detector.detect(before)[0].box
        inside = np.zeros(changed.shape, bool)
        # a third around it: the face's outline is wider than YuNet's box
        x, y, margin = int(box.x), int(box.y), int(box.height / 3)
        inside[max(0, y - margin) : y + int(box.height) + margin, max(0, x - margin) : x + int(box.width) + margin] = (
            True
        )
        assert changed[~inside].max() == 0
        assert changed[inside].max() > 5


def test_clips_are_made_once_and_alike(clips: dict[str, Path], tmp_path: Path) -> None:
    stamps = {name: path.stat().st_mtime_ns for name, path in clips.items()}
    folder = clips[REAL].parent
    assert make_demo_clips(folder, SHORT) == clips
    assert {name: path.stat().st_mtime_ns for name, path in clips.items()} == stamps
    assert sorted(folder.iterdir()) == sorted(clips.values()), "no half-written file is left"
    again = make_demo_clips(tmp_path, SHORT)
    assert again[REAL].read_bytes() == clips[REAL].read_bytes()


def test_the_clips_lie_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = make_demo_clips(plan=ClipPlan(160, 120, 5, 1))
    assert made[REAL].parent == tmp_path / "deepfake-monitor"


def test_without_a_home_to_write_to_they_lie_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = make_demo_clips(plan=ClipPlan(160, 120, 5, 1))
    assert made[REAL].parent == tmp_path / "deepfake-monitor"


async def test_the_demo_streams_go_live_and_round_without_a_cut(clips: dict[str, Path]) -> None:
    world = World(StreamSettings())
    try:
        added = add_demo_streams(world.registry, clips)
        assert [(info.stream_id, info.kind) for info in added] == [(REAL, "file"), (PSEUDO_FAKE, "file")]
        for name in (REAL, PSEUDO_FAKE):
            await world.until(lambda name=name: world.registry.get(name).status.state is StreamState.LIVE)  # type: ignore[misc]
    finally:
        await world.registry.close()
    assert {info.status.generation for info in world.published} <= {0, 1}
