"""Cameras for tests: a real face, encoded at test time, behind a real RTSP server that can be killed and frozen.

    clip = make_clip(folder, "h264")
    with Camera({"/face": clip}) as camera:
        camera.url("/face")

A test that needs one is marked `rtsp` and takes the fixture `cameras` (tests/conftest.py), which skips, loudly, where
the server is not installed; in CI that is a failure.
"""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

import av
from av.video.codeccontext import VideoCodecContext
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from analyzer.datatypes import Pixels
from stream_server.streams.demo import ClipPlan, render_real
from tests.tools import missing_tool

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parent / "rtsp_server.py"
FPS = 15

Codec = Literal["h264", "h265"]

_ENCODERS = {"h264": "libx264", "h265": "libx265"}
# One slice and no look-ahead, as cameras send; parameter sets with every key frame.
_OPTIONS = {
    "h264": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "sliced-threads=0:repeat-headers=1"},
    "h265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none:repeat-headers=1"},
}


@dataclass(frozen=True, slots=True)
class Clip:
    """Encoded pictures as `rtsp_server.py` reads them."""

    codec: Codec
    path: Path


@cache
def face_pictures(width: int = 640, height: int = 480, seconds: int = 2) -> tuple[Pixels, ...]:
    """A real face that moves, 15 pictures a second, seamless."""
    return tuple(render_real(ClipPlan(width, height, FPS, seconds)))


def make_clip(folder: Path, codec: Codec = "h264", width: int = 640, height: int = 480) -> Clip:
    """Two seconds of a real face."""
    return encode_clip(folder / f"{codec}-{width}x{height}.au", codec, face_pictures(width, height))


def encode_clip(path: Path, codec: Codec, pictures: Iterable[Pixels], key_every: int = 5) -> Clip:
    """Pictures of one size to access units (Annex B), each behind its length in 4 bytes, big-endian.

    `key_every` pictures there is a key frame, for which a new viewer has to wait: cameras have one in 1 to 4 seconds,
    tests have less time.
    """
    context: VideoCodecContext | None = None
    units: list[bytes] = []
    for index, pixels in enumerate(pictures):
        if context is None:
            context = cast(VideoCodecContext, av.CodecContext.create(_ENCODERS[codec], "w"))
            context.height, context.width = pixels.shape[:2]
            context.pix_fmt = "yuv420p"
            context.time_base = Fraction(1, FPS)
            context.framerate = Fraction(FPS, 1)
            context.gop_size = key_every
            context.max_b_frames = 0
            context.thread_count = 1
            context.options = dict(_OPTIONS[codec])
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        units.extend(bytes(packet) for packet in context.encode(frame))
    assert context is not None, "no pictures"
    units.extend(bytes(packet) for packet in context.encode(None))
    path.write_bytes(b"".join(struct.pack(">I", len(unit)) + unit for unit in units))
    return Clip(codec, path)


def access_units(path: Path) -> Iterator[bytes]:
    """What `encode_clip` wrote, picture by picture."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 4 + size]
        place += 4 + size


def self_signed(folder: Path) -> Path:
    """A certificate as cameras have them, for no name that anybody could check, and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "camera.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@cache
def missing() -> str | None:
    """Why there can be no camera on this machine; None when all is there."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        done = subprocess.run([PYTHON, "-c", check], capture_output=True, timeout=30, check=False)
    except FileNotFoundError:
        return f"{PYTHON} is not there"
    return (
        None
        if done.returncode == 0
        else "apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{base,good,bad}"
    )


class Camera:
    """One RTSP camera on one port of loopback, in a process of its own; the port outlives `kill` and `start`.

    `tls`: a PEM file with certificate and key (`self_signed`); then the camera speaks RTSPS.
    """

    def __init__(
        self,
        mounts: Mapping[str, Clip],
        *,
        user: str | None = None,
        password: str | None = None,
        auth: Literal["basic", "digest"] = "basic",
        transports: str = "tcp,udp",
        fps: float = FPS,
        tls: Path | None = None,
    ) -> None:
        self.mounts = dict(mounts)
        self.port = free_port()
        self._extra = ["--transports", transports, "--fps", str(fps)]
        self._scheme = "rtsp"
        if tls is not None:
            self._scheme = "rtsps"
            self._extra += ["--tls", str(tls)]
        if user is not None:
            self._extra += ["--user", user, "--password", password or "", "--auth", auth]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Listens when it returns. What `mounts` says now is what is served."""
        mounts = [f"{path}={clip.codec}:{clip.path}" for path, clip in self.mounts.items()]
        self._process = subprocess.Popen(
            [PYTHON, str(SERVER), str(self.port), *mounts, *self._extra], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("READY"), "the RTSP server did not start"

    def url(self, path: str, credentials: str = "") -> str:
        """`credentials`: `user:password`, percent-encoded."""
        return f"{self._scheme}://{credentials}{'@' if credentials else ''}127.0.0.1:{self.port}{path}"

    def kill(self) -> None:
        """As if the power were cut. Fine to call again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        """The connection stays up, nothing comes any more."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the camera is not running"
        self._process.send_signal(number)

    def __enter__(self) -> Camera:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()


def require() -> None:
    """Skip the test where there is no RTSP server; fail it in CI, where there must be one."""
    why = missing()
    if why is not None:
        missing_tool(f"no RTSP server: {why}")
