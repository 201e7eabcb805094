"""A face that a package ships, clips of it moving, and a manifest of them: small, but the real thing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from skimage.data import astronaut

from analyzer.datatypes import Detection, Pixels
from analyzer.faces.detector import YuNetDetector
from analyzer.faces.geometry import Landmarks
from analyzer.training.data.dataset import Track, TrackCache
from analyzer.training.data.manifest import Row, read_manifest
from analyzer.training.pseudofakes.synthesis import make_pseudo_fake


@pytest.fixture(scope="session")
def face() -> Pixels:
    """256 x 256 RGB with one face of about 110 pixels in its middle."""
    return np.ascontiguousarray(astronaut()[0:256, 96:352])  # type: ignore[no-untyped-call]  # skimage ships no types


@pytest.fixture(scope="session")
def detection(face: Pixels) -> Detection:
    return YuNetDetector().detect(face)[0]


@pytest.fixture(scope="session")
def landmarks(detection: Detection) -> Landmarks:
    return np.array(detection.landmarks, np.float32)


def moving(face: Pixels, count: int) -> list[Pixels]:
    """The picture swaying to and fro by a few pixels."""
    return [np.roll(face, round(6 * np.sin(i / 4)), axis=1) for i in range(count)]


def write_clip(path: Path, frames: list[Pixels]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 25)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory, face: Pixels, landmarks: Landmarks) -> Path:
    """Four real and two fake clips of 20 frames in six groups, and what cannot be used: no video, nothing, no face."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["file\tkind\tmethod\tsplit\tfamily\tgroup\tcolour"]
    for index in range(6):
        frames = moving(np.ascontiguousarray(np.flip(face, axis=1)) if index % 2 else face, 20)
        fake = index >= 4
        if fake:
            frames = make_pseudo_fake(frames, [landmarks] * len(frames), index, "F5")
        write_clip(folder / f"clip{index}.mp4", frames)
        lines.append(
            f"clip{index}.mp4\t{'fake' if fake else 'real'}\t{'F5' if fake else 'none'}\ttrain\t\tg{index}\tred"
        )
    (folder / "broken.mp4").write_bytes(b"not a video" * 100)
    write_clip(folder / "empty.mp4", [np.zeros((128, 128, 3), np.uint8)] * 20)
    lines += [f"{name}\treal\tnone\tother\t\t\t" for name in ("broken.mp4", "missing.mp4", "empty.mp4")]
    path = folder / "manifest.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, manifest: Path) -> TrackCache:
    """The faces of the six good clips, cut out."""
    built = TrackCache(tmp_path_factory.mktemp("faces"))
    assert built.build(read_manifest(manifest, "train"), quiet=True) == []
    return built


@pytest.fixture(scope="session")
def found(cache: TrackCache, manifest: Path) -> list[tuple[Row, Track]]:
    return cache.load(read_manifest(manifest, "train"))
