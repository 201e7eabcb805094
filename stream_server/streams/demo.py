"""The two demo streams: a real face that moves smoothly, and a pseudo-fake of it.

Drawn here, from a picture that scikit-image ships (NASA's portrait of Eileen Collins, public domain): no download.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import skimage.data

from analyzer.datatypes import Pixels
from analyzer.errors import DetectorError
from analyzer.faces.detector import YuNetDetector
from analyzer.faces.geometry import Affine, Landmarks
from analyzer.training.pseudofakes.synthesis import make_pseudo_fake
from stream_server.streams.registry import StreamRegistry
from stream_server.streams.sources.address import AddressRules, SourceAddress, parse_address
from stream_server.streams.sources.base import OnFrame, OnStatus, Source
from stream_server.streams.sources.file import FileSource
from stream_server.streams.stream import StreamInfo

log = logging.getLogger(__name__)

REAL: Final = "demo-real"
PSEUDO_FAKE: Final = "demo-pseudo-fake"

_RECIPE: Final = 3  # part of the cached files' names: a change of what is drawn needs a new number
_SEED: Final = 0  # of the pseudo-fake; weights v2 score it .69
_OVERLAP: Final = 4  # frames beyond both ends, so that what is smoothed over time meets itself at the loop's cut

# Of the 512 x 512 portrait: what the camera looks at, x and y of the middle and the width in pixels. The face (about
# 80 x 105) comes out about 170 pixels high in 640 x 480, with room around it for the camera to move.
_MIDDLE: Final = (232.0, 158.0)
_WIDTH: Final = 392.0


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Size and length of a clip; it moves through whole periods, so its last frame leads into its first."""

    width: int = 640
    height: int = 480
    fps: int = 15
    seconds: int = 8

    @property
    def frames(self) -> int:
        return self.fps * self.seconds


def portrait() -> Pixels:
    """The real face that everything is drawn from, (512, 512, 3)."""
    picture: Pixels = skimage.data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image ships no types
    return picture


def render_real(plan: ClipPlan) -> list[Pixels]:
    """A seamless clip of the portrait under a calm hand-held camera, whose exposure drifts a little."""
    picture = portrait()
    frames = []
    for index in range(plan.frames):
        phase = index / plan.frames
        moved = cv2.warpAffine(
            picture,
            _camera(plan, phase),
            (plan.width, plan.height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        gain = 1 + 0.03 * np.sin(2 * np.pi * phase + 0.7)
        frames.append(cv2.convertScaleAbs(moved, alpha=float(gain)).astype(np.uint8, copy=False))
    return frames


def render_pseudo_fake(plan: ClipPlan, real: Sequence[Pixels]) -> list[Pixels]:
    """The same clip with its face pasted onto itself (family F1). Raises `DetectorError` when there is no face."""
    found = YuNetDetector().detect(portrait())
    if not found:
        raise DetectorError("expected YuNet to find the face of the demo's portrait, it found none")
    points = np.asarray(found[0].landmarks, np.float64)
    order = [index % plan.frames for index in range(-_OVERLAP, plan.frames + _OVERLAP)]
    marks: list[Landmarks] = []
    for index in order:
        camera = _camera(plan, index / plan.frames)
        marks.append((points @ camera[:, :2].T + camera[:, 2]).astype(np.float32))
    return make_pseudo_fake([real[index] for index in order], marks, _SEED)[_OVERLAP:-_OVERLAP]


def _camera(plan: ClipPlan, phase: float) -> Affine:
    """From the portrait to the frame at `phase` (0 to 1) of the loop; a sum of few slow waves, as a hand sways."""
    turn = 2 * np.pi * phase
    zoom = plan.width / _WIDTH * (1 + 0.03 * np.sin(turn + 1.0))
    angle = np.radians(1.5 * np.sin(turn) + 0.5 * np.sin(3 * turn + 2.0))
    x = _MIDDLE[0] + 9 * np.sin(turn + 0.3) + 2 * np.sin(4 * turn)
    y = _MIDDLE[1] + 5 * np.sin(2 * turn + 1.2) + 1.5 * np.sin(5 * turn + 0.5)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array(
        [
            [cos, sin, plan.width / 2 - cos * x - sin * y],
            [-sin, cos, plan.height / 2 + sin * x - cos * y],
        ]
    )


def write_clip(path: Path, frames: Sequence[Pixels], fps: int) -> None:
    """Encode as H.264 in MP4, in one step for who looks at `path`. Raises `OSError` where that cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".mp4", prefix=f".{path.stem}-", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        with av.open(name, "w") as container:
            stream = container.add_stream("libx264", rate=fps)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            # no frames that look ahead: cheap to decode, and what a camera would send
            stream.options = {"preset": "veryfast", "crf": "18", "bf": "0", "g": str(2 * fps)}
            stream.codec_context.thread_count = 1
            for index, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def make_demo_clips(folder: Path | None = None, plan: ClipPlan | None = None) -> dict[str, Path]:
    """The demo's clips by stream id, made on the first call (a few seconds) and kept in `folder` or the user's cache.

    Blocking: not for the event loop.
    """
    plan = plan or ClipPlan()
    folder = folder or _cache_folder()
    tail = f"{plan.width}x{plan.height}-{plan.fps}fps-{plan.seconds}s-v{_RECIPE}.mp4"
    clips = {name: folder / f"{name}-{tail}" for name in (REAL, PSEUDO_FAKE)}
    if not all(path.is_file() for path in clips.values()):
        log.info("drawing the demo clips in %s", folder)
        real = render_real(plan)
        write_clip(clips[REAL], real, plan.fps)
        write_clip(clips[PSEUDO_FAKE], render_pseudo_fake(plan, real), plan.fps)
    return clips


def _cache_folder() -> Path:
    """`$XDG_CACHE_HOME/deepfake-monitor`, or the system's temporary folder where there is no home to write to."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "deepfake-monitor"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / "deepfake-monitor"
    return home if os.access(home, os.W_OK) else Path(tempfile.gettempdir()) / "deepfake-monitor"


def add_demo_streams(registry: StreamRegistry, clips: dict[str, Path]) -> list[StreamInfo]:
    """Play the clips of `make_demo_clips` as streams. Same errors as `StreamRegistry.add_source`; event loop only."""
    rules = AddressRules()
    added = []
    for stream_id, path in clips.items():
        address = parse_address(str(path), trusted=True, rules=rules)

        def make(
            on_frame: OnFrame, on_status: OnStatus, name: str = stream_id, where: SourceAddress = address
        ) -> Source:
            return FileSource(name, where, rules, on_frame=on_frame, on_status=on_status, seamless=True)

        added.append(registry.add_source(stream_id, "file", make))
    return added
