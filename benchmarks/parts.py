"""What decoding, detection and the network cost alone: the ceilings, and the sum that the whole is compared with."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
from av.video.reformatter import VideoReformatter

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Pixels
from analyzer.engine.pipeline import upright_rgb
from analyzer.faces.detector import YuNetDetector
from analyzer.video.video import analyze_video
from benchmarks.faces import crop_of, face_crops
from benchmarks.score_cost import make
from stream_server.streams.demo import ClipPlan, render_real, write_clip
from tests.cameras import access_units, encode_clip

SIZES: Final = {"480p15": (640, 480, 15), "720p25": (1280, 720, 25), "1080p25": (1920, 1080, 25)}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One kind of camera, each step alone, on one core; milliseconds of processor time."""

    decode_ms: float
    """One frame, H.264."""
    detect_ms: float
    """One picture: shrunk, and its faces found."""
    network_ms: float
    """One new face: encoded, and its window scored."""
    decode_only_streams: float
    """Of this machine with all of its cores, doing nothing else."""
    all_parts_streams: float
    """With detection and network at the face rate: where the limit lies."""

    def stream_ms(self, fps: float, face_rate: float) -> float:
        """Processor time of one stream for each second of it, one face."""
        return self.decode_ms * fps + (self.detect_ms + self.network_ms) * face_rate


def ceilings(face_rate: float, cores: int, *, quick: bool = False) -> dict[str, Ceiling]:
    """Measure every kind of camera."""
    rounds = 10 if quick else 40
    network_ms = _network_ms(rounds)
    found = {}
    for name, (width, height, fps) in SIZES.items():
        decode_ms, pictures = _decode(width, height, fps)
        detector = YuNetDetector()
        step = iter(range(10**9))
        detect_ms = _cpu_ms(lambda: detector.detect(pictures[next(step) % len(pictures)]), rounds)  # noqa: B023  # called here
        alone = Ceiling(decode_ms, detect_ms, network_ms, 0.0, 0.0)
        found[name] = Ceiling(
            decode_ms,
            detect_ms,
            network_ms,
            decode_only_streams=1e3 * cores / (decode_ms * fps),
            all_parts_streams=1e3 * cores / alone.stream_ms(fps, face_rate),
        )
    return found


def upload_s_per_minute(*, quick: bool = False) -> float:
    """Seconds to score one minute of an uploaded video of 640 x 480 at 25 frames per second, one face."""
    seconds = 4 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        pictures = render_real(ClipPlan(fps=25, seconds=4))
        write_clip(path, pictures * (seconds // 4), 25)
        scorer = make("auto", AnalyzerConfig())
        try:
            start = time.perf_counter()
            analyze_video(path, detector=YuNetDetector(), scorer=scorer)
            return (time.perf_counter() - start) * 60 / seconds
        finally:
            scorer.close()


def _decode(width: int, height: int, fps: int) -> tuple[float, list[Pixels]]:
    """Processor time for one frame, and some of the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.au"
        encode_clip(path, "h264", render_real(ClipPlan(width, height, fps, 2)), key_every=2 * fps)
        units = list(access_units(path))
    reformatter = VideoReformatter()
    times, pictures = [], []
    for _ in range(3):
        context = av.VideoCodecContext.create("h264", "r")
        context.thread_count = 1
        start = time.thread_time()
        frames = [frame for unit in units for frame in context.decode(av.Packet(unit))]
        times.append((time.thread_time() - start) * 1e3 / len(frames))
        pictures += [upright_rgb(frame, reformatter) for frame in frames[:: fps // 3]]
    return statistics.median(times), pictures


def _network_ms(rounds: int) -> float:
    scorer = make("cpu", AnalyzerConfig(torch_threads=1, max_windows=2))
    try:
        faces = face_crops()[0]
        for step in range(NUM_FRAMES):
            scorer.push([crop_of(faces[step], 0, step)])
        steps = iter(range(NUM_FRAMES, 10**9))

        def push() -> None:
            step = next(steps)
            scorer.push([crop_of(faces[step % len(faces)], 0, step)])

        return _cpu_ms(push, rounds)
    finally:
        scorer.close()


def _cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Median processor time of the process, all threads: OpenVINO computes on threads of its own."""
    for _ in range(3):
        work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1e3)
    return statistics.median(times)
