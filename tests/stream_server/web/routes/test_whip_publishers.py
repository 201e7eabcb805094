"""Publishers that are not ours: FFmpeg's WHIP output and GStreamer's webrtcbin, as programs of their own."""

from __future__ import annotations

import asyncio
import datetime
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stream_server.streams.sources.base import StreamState
from tests.tools import missing_tool
from tests.whip_site import Site, a_site, until


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as site:
        yield site


class _Uvicorn(uvicorn.Server):
    """Leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def address(site: Site) -> AsyncIterator[str]:
    """The site on a real port of loopback, for programs that are not ours."""
    server = _Uvicorn(uvicorn.Config(site.app, port=0, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started, "uvicorn")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


FFMPEG_PUBLISHER = """
import sys, time
from fractions import Fraction
import av
from tests.videos import moving_face
url, cert, key = sys.argv[1:]
out = av.open(url, "w", format="whip", options={"cert_file": cert, "key_file": key})
options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "bf": "0",
           "x264-params": "sliced-threads=0"}
stream = out.add_stream("libx264", rate=15, options=options)
stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
start = time.monotonic()
for i, picture in enumerate(moving_face(30, (320, 240))):
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.pts, frame.time_base = i, Fraction(1, 15)
    out.mux(stream.encode(frame))
    time.sleep(max(0, start + i / 15 - time.monotonic()))
out.close()
"""


def a_certificate(folder: Path) -> tuple[str, str]:
    """FFmpeg's WHIP wants one of its own, on the curve P-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "publisher")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, plain))
    return str(cert_file), str(key_file)


async def test_ffmpegs_whip_output_is_taken_and_ends_its_session(site: Site, address: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FFMPEG_PUBLISHER, f"{address}/whip/ffmpeg", *a_certificate(tmp_path),
        stdout=subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )  # fmt: skip
    _, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaints.decode()
    live = [info.status for info in site.told if info.status.state is StreamState.LIVE]
    assert (live[-1].codec, live[-1].width, live[-1].height) == ("h264", 320, 240)
    assert site.removed == ["ffmpeg"]


GST_PUBLISHER = Path(__file__).parents[3] / "gst_whip.py"


def _gstreamer_missing() -> str | None:
    """Why GStreamer cannot publish here, or None."""
    check = "import gi; [gi.require_version(n, '1.0') for n in ('Gst', 'GstSdp', 'GstWebRTC')]; " + (
        "from gi.repository import Gst; Gst.init(None); "
        "missing = [n for n in ('webrtcbin', 'nicesrc', 'vp8enc', 'dtlsenc') if not Gst.ElementFactory.find(n)]; "
        "assert not missing, missing"
    )
    try:
        done = subprocess.run(["/usr/bin/python3", "-c", check], capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        return "there is no /usr/bin/python3"
    return done.stderr.decode()[-200:] if done.returncode else None


async def test_gstreamers_webrtcbin_with_its_rsa_certificate_is_taken(site: Site, address: str) -> None:
    missing = await asyncio.to_thread(_gstreamer_missing)
    if missing is not None:
        missing_tool(f"no GStreamer with webrtcbin and its Python binding: {missing}")
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", str(GST_PUBLISHER), f"{address}/whip/gst",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        await until(lambda: site.frames("gst") >= 5, "frames of GStreamer")
    finally:
        said, _ = await asyncio.wait_for(process.communicate(b""), 30)
    assert said.decode().split() == ["connected", "ended"]
    assert site.removed == ["gst"]
