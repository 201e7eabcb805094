"""One stream's way from frames to face crops: convert, detect, track, crop, judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import (
    FaceCrop,
    FaceEnded,
    FaceKey,
    Frame,
    FrameFaces,
    NotScored,
    PictureState,
    Pixels,
    TrackedFace,
)
from analyzer.errors import MediaError, TooLargeError
from analyzer.faces.crop import crop_face
from analyzer.faces.detector import FaceDetector
from analyzer.faces.quality import judge_quality
from analyzer.faces.tracker import Tracker
from analyzer.integrity.duplicate_watch import DuplicateWatch
from analyzer.integrity.pictures import StreamPictures
from analyzer.integrity.scene import SceneCut

# 8K DCI. Its RGB picture takes 106 MB; anything larger is a mistake or an attack.
MAX_PIXELS: Final = 8192 * 4320

# OpenCV's and the detector's coordinates hold more, but no camera has a wider line.
MAX_SIDE: Final = 16384

# What people look at: the dashboard's cards are at most this wide. A portrait picture is bounded by its height.
JPEG_WIDTH: Final = 960
JPEG_HEIGHT: Final = 1920

# Faces stay clean, and 960 x 540 takes some 60 kB.
JPEG_QUALITY: Final = 80


# Share of the picture's height; a face of it is three and more cells of `PictureWatch` wide.
ALIVE_FACE: Final = 1 / 6


@dataclass(frozen=True, slots=True)
class Wish:
    """Which pictures a frame is to come with; none by default."""

    jpeg_width: int = 0
    """Of the frame itself: at most so many pixels wide; 0 for none."""
    face_ids: frozenset[int] = frozenset()
    """Faces whose crops are wanted, where they are fit."""


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What one frame gave."""

    faces: FrameFaces
    """For people: all boxes, pixels stripped."""
    crops: tuple[FaceCrop, ...]
    """For the scorer: one per tracked face, with pixels where the face is fit."""
    ended: tuple[FaceEnded, ...]
    """Faces given up before or in this frame."""
    picture: PictureState | None = None
    """Where the pictures got into trouble, or out of it, with this one."""


class FacePipeline:
    """Takes the frames of one stream one by one; belongs to one thread, as does its detector.

    Windows must not span a new generation, another size of the picture or a hard cut: all faces end and begin anew.
    """

    def __init__(
        self,
        stream_id: str,
        detector: FaceDetector,
        config: AnalyzerConfig,
        *,
        first_face_id: int = 1,
        duplicates: DuplicateWatch | None = None,
    ) -> None:
        """`duplicates`: of all live streams; None for an upload, of which nobody asks whether it is a recording."""
        self._stream_id = stream_id
        self._detector = detector
        self._config = config
        self._tracker = Tracker(config.max_gap_s, config.max_faces, first_face_id)
        # One scaler for the stream: one per frame would cost as much again. One thread: the streams fill the cores.
        self._reformatter = VideoReformatter()
        self._scene = SceneCut()
        self._duplicates = duplicates
        self._pictures = StreamPictures(stream_id, duplicates)
        self._shape: tuple[int, int, int] | None = None
        # Faces given up that nobody has heard of yet: a frame may fail after they were.
        self._gone: list[int] = []

    @property
    def next_face_id(self) -> int:
        """All ids given so far are lower."""
        return self._tracker.next_id

    def process(self, frame: Frame, wish: Wish = Wish()) -> PipelineResult:  # frozen
        """Find, follow and cut out the faces of one frame.

        Raises `MediaError` for a frame that cannot be converted, `TooLargeError` (a `MediaError`) for one beyond 8K,
        `DetectorError` when OpenCV fails. The next frame may be processed after any of them, and then also names the
        faces that ended meanwhile.
        """
        rgb = upright_rgb(frame.video_frame, self._reformatter)
        height, width = rgb.shape[:2]
        shape = (frame.generation, width, height)
        cut = self._scene.update(rgb)
        if cut or self._shape != shape:
            self._gone += self._tracker.reset()
        if self._shape != shape:
            self._pictures = StreamPictures(self._stream_id, self._duplicates)
            self._shape = shape
        tracked = self._tracker.update(self._detector.detect(rgb), frame.received_at_s, (width, height))
        self._gone += self._tracker.ended()
        crops = tuple(self._crop(frame, rgb, face) for face in tracked)
        faces = FrameFaces(
            stream_id=self._stream_id,
            generation=frame.generation,
            frame_index=frame.index,
            pts_s=frame.pts_s,
            received_at_s=frame.received_at_s,
            width=width,
            height=height,
            crops=tuple(replace(crop, pixels=None) for crop in crops),
            jpeg=encode_jpeg(rgb, wish.jpeg_width) if wish.jpeg_width else None,
            face_jpegs=tuple(
                (crop.key.face_id, encode_jpeg(crop.pixels))
                for crop in crops
                if crop.pixels is not None and crop.key.face_id in wish.face_ids
            ),
        )
        # a small one in a corner may blink without that being seen
        alive = [crop.box for crop in crops if crop.quality.fit and crop.box.height >= height * ALIVE_FACE]
        picture = self._pictures.update(rgb, frame.received_at_s, faces=alive, cut=cut, may_repeat=frame.may_repeat)
        return PipelineResult(faces, crops, self._take_gone(), picture)

    def finish(self) -> tuple[FaceEnded, ...]:
        """The stream is over: give up all faces."""
        self._gone += [*self._tracker.ended(), *self._tracker.reset()]
        return self._take_gone()

    def _take_gone(self) -> tuple[FaceEnded, ...]:
        gone, self._gone = self._gone, []
        return tuple(FaceEnded(FaceKey(self._stream_id, face_id)) for face_id in gone)

    def _crop(self, frame: Frame, rgb: Pixels, face: TrackedFace) -> FaceCrop:
        height, width = rgb.shape[:2]
        pixels = crop_face(rgb, face.smoothed, self._config.crop_scale)
        quality = judge_quality(pixels, face, (width, height), self._config)
        if frame.damaged and quality.reason is not NotScored.TRACKER_JUMP:  # after that it may be somebody else
            quality = replace(quality, reason=NotScored.DAMAGED)
        return FaceCrop(
            key=FaceKey(self._stream_id, face.face_id),
            generation=frame.generation,
            frame_index=frame.index,
            pts_s=frame.pts_s,
            received_at_s=frame.received_at_s,
            box=face.smoothed,
            quality=quality,
            pixels=pixels if quality.fit else None,
        )


def upright_rgb(video_frame: av.VideoFrame, reformatter: VideoReformatter) -> Pixels:
    """Convert to (height, width, 3) RGB, turned upright as the container says (phones film sideways).

    `reformatter`: of the stream that the frame is of. Raises `MediaError` for a frame that cannot be converted,
    `TooLargeError` for one beyond 8K.
    """
    width, height = video_frame.width, video_frame.height
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise TooLargeError(
            f"a frame of {width} x {height} pixels is too large: at most {MAX_PIXELS} pixels (8K) and {MAX_SIDE} "
            "on a side are taken; lower its resolution"
        )
    try:
        rgb = reformatter.reformat(video_frame, format="rgb24", threads=1).to_ndarray()
    except (av.FFmpegError, ValueError) as error:
        kind = video_frame.format.name if video_frame.format else "unknown"
        raise MediaError(f"a frame of {width} x {height} pixels, format {kind}, cannot be read: {error}") from error
    quarters = round(video_frame.rotation / 90) % 4  # counter-clockwise, as NumPy turns
    return np.asarray(rgb if quarters == 0 else np.ascontiguousarray(np.rot90(rgb, quarters)), np.uint8)


def encode_jpeg(rgb: Pixels, most_wide: int = JPEG_WIDTH) -> bytes:
    """Encode a picture for people, at most `most_wide` x 1920 pixels. Raises `MediaError` when OpenCV cannot."""
    height, width = rgb.shape[:2]
    scale = min(1.0, most_wide / width, JPEG_HEIGHT / height)
    try:
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error as error:
        raise MediaError(f"a picture of {width} x {height} pixels cannot be encoded as JPEG: {error}") from error
    if not done:
        raise MediaError(f"a picture of {width} x {height} pixels cannot be encoded as JPEG")
    return data.tobytes()
