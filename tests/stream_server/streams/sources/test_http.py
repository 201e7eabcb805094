"""`RTSPSource` on HTTP and HLS: played at the pace at which it was filmed, over real servers on loopback."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from analyzer.errors import SourceErrorKind
from stream_server.streams.sources.address import AddressRules, parse_address
from stream_server.streams.sources.base import Backoff, SourceStatus, StreamState
from stream_server.streams.sources.rtsp import Patience, Reading, RTSPSource
from tests.cameras import FPS, face_pictures
from tests.recorder import Recorder, running

QUICK = Patience(open_s=20, lost_after_s=20, backoff=lambda: Backoff(first_s=0.1, longest_s=0.2))


def _write(path: Path, **options: str) -> None:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(FPS), "bf": "0"}
        stream.codec_context.thread_count = 1
        for index, pixels in enumerate(face_pictures()):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _damage(whole: Path, hurt: Path) -> None:
    """The second half of one picture is gone, far from the key frames."""
    with av.open(str(whole)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.pos is not None]
    position, size = packets[FPS + FPS // 2]
    data = bytearray(whole.read_bytes())
    data[position + size // 2 : position + size] = bytes(size - size // 2)
    hurt.write_bytes(data)


def _write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files, and besides `/moved` (a redirect) and `/locked` (a password)."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        allowed = f"Basic {base64.b64encode(b'admin:geheim').decode()}"
        if self.path == "/moved":
            self._answer(302, "Location", "/face.mp4")
        elif self.path == "/locked.mp4" and self.headers.get("Authorization") != allowed:
            self._answer(401, "WWW-Authenticate", 'Basic realm="camera"')
        else:
            self.path = self.path.replace("locked", "face")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the viewer has seen enough
                super().do_GET()

    def _answer(self, status: int, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of an HTTP server with a video as a file and as HLS."""
    folder = tmp_path_factory.mktemp("www")
    _write(folder / "face.mp4", movflags="faststart")
    _write(folder / "face.m3u8", hls_time="1", hls_list_size="0")
    _write_sound(folder / "sound.wav")
    _damage(folder / "face.mp4", folder / "hurt.mp4")
    (folder / "disguised.mp4").write_bytes((folder / "face.m3u8").read_bytes())
    (folder / "page.html").write_text("<html>" + "no video here " * 100)
    (folder / "empty.mp4").touch()
    (folder / "sly.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.05,), name="web")
        thread.start()
        yield f"127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


def _make(url: str, recorder: Recorder, *, trusted: bool = False, rules: AddressRules | None = None) -> RTSPSource:
    rules = rules or AddressRules()
    address = parse_address(url, trusted=trusted, rules=rules)
    return RTSPSource(
        "cam", address, rules, on_frame=recorder.on_frame, on_status=recorder.on_status, reading=Reading(patience=QUICK)
    )


async def _lost(url: str, *, trusted: bool = False) -> SourceStatus:
    recorder = Recorder()
    async with running(_make(url, recorder, trusted=trusted)):
        status = recorder.wait_state(StreamState.LOST)
    assert recorder.count == 0
    return status


@pytest.mark.parametrize("file", ["face.mp4", "face.m3u8"])
async def test_a_file_over_http_is_played_at_its_own_pace_and_again(server: str, file: str) -> None:
    recorder = Recorder()
    source = _make(f"http://{server}/{file}", recorder)
    assert source.kind == "http"
    async with running(source):
        status = recorder.wait_state(StreamState.LIVE)
        recorder.wait_frames(20)
        first, last = recorder.frames[0], recorder.frames[19]
        recorder.wait_state(StreamState.LIVE, 2)
    assert (status.width, status.height, status.codec, status.fps) == (640, 480, "h264", FPS)
    assert first.pts_s is not None
    assert last.pts_s is not None
    played_s, filmed_s = last.received_at_s - first.received_at_s, last.pts_s - first.pts_s
    assert played_s >= 0.5 * filmed_s, "faster than it was filmed"


async def test_pictures_that_rest_on_a_damaged_one_are_delivered_as_such(server: str) -> None:
    recorder = Recorder()
    async with running(_make(f"http://{server}/hurt.mp4", recorder)):
        recorder.wait("damage", lambda: any(frame.damaged for frame in recorder.frames))
        first = next(frame for frame in recorder.frames if frame.damaged)
        recorder.wait("recovery", lambda: not recorder.frames[-1].damaged)
        frames = list(recorder.frames)
    assert first.index == pytest.approx(FPS + FPS // 2, abs=2)
    at = frames.index(first)
    assert not any(frame.damaged for frame in frames[:at])
    assert not any(frame.video_frame.is_corrupt for frame in frames)
    healed = next(frame for frame in frames[at:] if not frame.damaged)
    assert healed.video_frame.key_frame


async def test_a_password_for_http_is_taken_from_the_address(server: str) -> None:
    recorder = Recorder()
    async with running(_make(f"http://admin:geheim@{server}/locked.mp4", recorder)):
        recorder.wait_frames(1)
    assert "geheim" not in recorder.said()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("nothing.mp4", SourceErrorKind.NOT_FOUND),
        ("locked.mp4", SourceErrorKind.AUTH),
        ("page.html", SourceErrorKind.NO_MEDIA),
        ("empty.mp4", SourceErrorKind.NO_MEDIA),
        ("sound.wav", SourceErrorKind.NO_MEDIA),
        ("sly.m3u8", SourceErrorKind.NO_MEDIA),
    ],
)
async def test_what_is_no_video_is_lost_with_its_reason(server: str, path: str, kind: SourceErrorKind) -> None:
    assert (await _lost(f"http://admin:falsch@{server}/{path}")).error_kind is kind


async def test_tls_to_a_server_without_tls_is_said_so(server: str) -> None:
    assert (await _lost(f"https://{server}/face.mp4")).error_kind is SourceErrorKind.TLS


async def test_a_redirect_is_followed_for_the_operator_only(server: str) -> None:
    assert "redirect" in ((await _lost(f"http://{server}/moved")).message or "")
    recorder = Recorder()
    async with running(_make(f"http://{server}/moved", recorder, trusted=True)):
        recorder.wait_frames(1)


@pytest.mark.parametrize("trusted", [False, True], ids=["over the API", "from the operator"])
@pytest.mark.parametrize(
    "rules",
    [AddressRules.of((), ["127.0.0.0/8"], ()), AddressRules.of((), (), ["10.9.0.0/16"])],
    ids=["allow", "deny"],
)
async def test_with_network_rules_only_the_operator_may_name_a_playlist(
    server: str, rules: AddressRules, trusted: bool
) -> None:
    recorder = Recorder()
    async with running(_make(f"http://{server}/face.m3u8", recorder, trusted=trusted, rules=rules)):
        if trusted:
            recorder.wait_frames(1)
            return
        status = recorder.wait_state(StreamState.LOST)
    assert status.error_kind is SourceErrorKind.FORBIDDEN
    assert "settings file" in (status.message or "")
    assert recorder.count == 0


async def test_a_playlist_in_disguise_is_not_read_either(server: str) -> None:
    recorder = Recorder()
    rules = AddressRules.of((), ["127.0.0.0/8"], ())
    async with running(_make(f"http://{server}/disguised.mp4", recorder, rules=rules)):
        recorder.wait_state(StreamState.LOST)
    assert recorder.count == 0
