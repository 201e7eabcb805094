"""Real cameras on loopback: they serve, refuse, die, freeze and come back."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest

from analyzer.errors import SourceErrorKind
from stream_server.streams.sources import interrupt
from stream_server.streams.sources.address import AddressRules, parse_address
from stream_server.streams.sources.base import Backoff, StreamState
from stream_server.streams.sources.hardware import AUTO, OFF
from stream_server.streams.sources.rtsp import Patience, Reading, RTSPSource
from tests.cameras import Camera, Clip, Codec, free_port, make_clip, require, self_signed
from tests.recorder import Recorder, running

PASSWORD = "ge heim@/ö?"

# Every pause short; what is long stays unreachable in a test.
QUICK = Patience(
    open_s=20,
    stalled_after_s=1.0,
    lost_after_s=60,
    look_s=0.3,
    backoff=lambda: Backoff(first_s=0.1, longest_s=0.2),
)


def _make(
    url: str,
    recorder: Recorder,
    *,
    transport: str = "tcp",
    hardware: str = OFF,
    patience: Patience = QUICK,
    rules: AddressRules | None = None,
    trusted: bool = False,
) -> RTSPSource:
    rules = rules or AddressRules()
    return RTSPSource(
        "cam",
        parse_address(url, trusted=trusted, rules=rules),
        rules,
        on_frame=recorder.on_frame,
        on_status=recorder.on_status,
        reading=Reading(transport, hardware, patience),
    )


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A TCP server that accepts (the kernel does) and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(("path", "codec"), [("/h264", "h264"), ("/h265", "hevc")])
async def test_a_camera_goes_live_and_its_frames_flow(camera: Camera, path: str, codec: str, transport: str) -> None:
    recorder = Recorder()
    async with running(_make(camera.url(path), recorder, transport=transport)):
        frame = recorder.wait_frames(5)
        status = recorder.wait_state(StreamState.LIVE)
    assert recorder.statuses[0].state is StreamState.CONNECTING
    assert (status.width, status.height, status.codec, status.fps) == (640, 480, codec, 15)
    assert (status.error_kind, status.message, status.retry_in_s) == (None, None, None)
    assert (frame.stream_id, frame.generation, status.generation) == ("cam", 1, 1)
    assert [f.index for f in recorder.frames] == list(range(recorder.count))[-len(recorder.frames) :]
    times = [f.received_at_s for f in recorder.frames]
    assert times == sorted(times)
    media = [f.pts_s for f in recorder.frames if f.pts_s is not None]
    assert media == sorted(media)
    assert len(media) == len(recorder.frames)


@pytest.mark.rtsp
@pytest.mark.parametrize("hardware", [AUTO, "cuda", "qsv", "no_such_kind"])
async def test_a_camera_goes_live_whatever_device_was_asked_for(camera: Camera, hardware: str) -> None:
    recorder = Recorder()
    async with running(_make(camera.url("/h264"), recorder, hardware=hardware)):
        recorder.wait_frames(5)
        assert recorder.wait_state(StreamState.LIVE).codec == "h264"


@pytest.mark.rtsp
@pytest.mark.parametrize("auth", ["basic", "digest"])
async def test_the_right_password_opens_the_stream_and_is_shown_nowhere(
    face_clips: dict[Codec, Clip],
    auth: Literal["basic", "digest"],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    require()
    caplog.set_level(logging.DEBUG)
    recorder = Recorder()
    with Camera({"/face": face_clips["h264"]}, user="admin", password=PASSWORD, auth=auth) as camera:
        url = camera.url("/face", f"admin:{quote(PASSWORD, safe='')}")
        async with running(_make(url, recorder)):
            recorder.wait_frames(1)
            camera.kill()
            recorder.wait_state(StreamState.LOST, 1)
    _assert_hidden(recorder, caplog, capfd, PASSWORD)


@pytest.mark.rtsp
@pytest.mark.parametrize("auth", ["basic", "digest"])
@pytest.mark.parametrize("credentials", ["admin:falsch", "", "nobody:x"], ids=["password", "none", "user"])
async def test_a_wrong_password_is_said_and_tried_again_slowly(
    face_clips: dict[Codec, Clip],
    auth: Literal["basic", "digest"],
    credentials: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    require()
    caplog.set_level(logging.DEBUG)
    recorder = Recorder()
    with Camera({"/face": face_clips["h264"]}, user="admin", password=PASSWORD, auth=auth) as camera:
        async with running(_make(camera.url("/face", credentials), recorder)):
            status = recorder.wait_state(StreamState.LOST)
    assert status.error_kind is SourceErrorKind.AUTH
    assert status.retry_in_s is not None
    assert status.retry_in_s >= 24, "accounts get locked by knocking"
    _assert_hidden(recorder, caplog, capfd, "falsch")


def _assert_hidden(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], password: str
) -> None:
    printed = capfd.readouterr()
    everything = recorder.said() + caplog.text + printed.out + printed.err
    for form in (password, quote(password, safe=""), quote(password)):
        assert form not in everything


@pytest.mark.rtsp
@pytest.mark.parametrize("user", [None, "admin"])
async def test_a_camera_with_an_encrypted_connection_goes_live(
    face_clips: dict[Codec, Clip], tmp_path: Path, user: str | None
) -> None:
    require()
    recorder = Recorder()
    with Camera({"/face": face_clips["h264"]}, tls=self_signed(tmp_path), user=user, password="geheim") as camera:
        url = camera.url("/face", "admin:geheim" if user else "")
        assert url.startswith("rtsps:")
        async with running(_make(url, recorder)):
            recorder.wait_frames(3)


@pytest.mark.rtsp
async def test_an_encrypted_connection_to_a_camera_without_is_said_so(camera: Camera) -> None:
    recorder = Recorder()
    async with running(_make(camera.url("/h264").replace("rtsp:", "rtsps:"), recorder)):
        assert recorder.wait_state(StreamState.LOST).error_kind is SourceErrorKind.TLS


@pytest.mark.rtsp
async def test_a_wrong_path_is_not_found(camera: Camera) -> None:
    recorder = Recorder()
    async with running(_make(camera.url("/nothing"), recorder)):
        assert recorder.wait_state(StreamState.LOST).error_kind is SourceErrorKind.NOT_FOUND


async def test_a_refused_port_is_unreachable_and_tried_again() -> None:
    recorder = Recorder()
    async with running(_make(f"rtsp://127.0.0.1:{free_port()}/x", recorder)):
        status = recorder.wait_state(StreamState.LOST)
        recorder.wait("a second attempt", lambda: [s.state for s in recorder.statuses].count(StreamState.LOST) >= 2)
    assert status.error_kind is SourceErrorKind.UNREACHABLE
    assert status.retry_in_s is not None


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
async def test_a_server_that_never_answers_is_unreachable(mute_port: int, scheme: str) -> None:
    recorder = Recorder()
    patience = Patience(open_s=0.5, backoff=QUICK.backoff)
    async with running(_make(f"{scheme}://127.0.0.1:{mute_port}/x", recorder, patience=patience)):
        status = recorder.wait_state(StreamState.LOST)
    assert status.error_kind is SourceErrorKind.UNREACHABLE
    assert "no answer" in (status.message or "")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "http", "https"])
async def test_stopping_does_not_wait_for_a_server_that_never_answers(mute_port: int, scheme: str) -> None:
    assert interrupt.installed, "PyAV has changed: see sources/interrupt.py"
    recorder = Recorder()
    source = _make(f"{scheme}://127.0.0.1:{mute_port}/x", recorder, patience=Patience(open_s=3600, lost_after_s=3600))
    async with asyncio.timeout(60), running(source):
        recorder.wait_state(StreamState.CONNECTING)
    assert [status.state for status in recorder.statuses] == [StreamState.CONNECTING]


@pytest.mark.rtsp
async def test_stopping_does_not_wait_for_a_frozen_camera(camera: Camera) -> None:
    recorder = Recorder()
    patience = Patience(look_s=3600, lost_after_s=3600, stalled_after_s=3600)
    async with asyncio.timeout(60), running(_make(camera.url("/h264"), recorder, patience=patience)):
        recorder.wait_frames(1)
        camera.freeze()


async def test_stopping_twice_or_before_the_start_is_fine() -> None:
    source = _make("rtsp://127.0.0.1:9/x", Recorder())
    await source.stop()
    await source.stop()


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_camera_that_is_killed_and_comes_back_is_live_again_as_a_new_generation(
    camera: Camera, transport: str
) -> None:
    recorder = Recorder()
    async with running(_make(camera.url("/h264"), recorder, transport=transport)):
        recorder.wait_frames(1)
        camera.kill()
        lost = recorder.wait_state(StreamState.LOST, 1)
        camera.start()
        recorder.wait_state(StreamState.LIVE, 2)
        frame = recorder.wait_frames(1)
    assert lost.error_kind is not None
    assert lost.retry_in_s is not None
    assert frame.generation == 2
    assert {f.generation for f in recorder.frames} <= {1, 2}
    assert next(f.index for f in recorder.frames if f.generation == 2) == 0


@pytest.mark.rtsp
async def test_size_and_codec_may_change_with_a_reconnect(camera: Camera, tmp_path: Path) -> None:
    recorder = Recorder()
    async with running(_make(camera.url("/h264"), recorder)):
        recorder.wait_state(StreamState.LIVE)
        camera.kill()
        camera.mounts["/h264"] = make_clip(tmp_path, "h265", 320, 240)
        camera.start()
        status = recorder.wait_state(StreamState.LIVE, 2)
        frame = recorder.wait_frames(1)
    assert (status.width, status.height, status.codec) == (320, 240, "hevc")
    assert (frame.video_frame.width, frame.video_frame.height) == (320, 240)


@pytest.mark.rtsp
async def test_a_frozen_camera_is_stalled_and_live_again_when_it_thaws(camera: Camera) -> None:
    recorder = Recorder()
    async with running(_make(camera.url("/h264"), recorder)):
        recorder.wait_frames(3)
        camera.freeze()
        status = recorder.wait_state(StreamState.STALLED)
        assert (status.error_kind, status.generation) == (SourceErrorKind.NO_MEDIA, 1)
        seen = recorder.count
        camera.thaw()
        recorder.wait_state(StreamState.LIVE)
        frame = recorder.wait_frames(1)
    assert frame.generation == 1, "the connection was never lost"
    assert frame.index >= seen, "no frame is delivered twice"


@pytest.mark.rtsp
async def test_a_camera_that_stays_frozen_is_lost_and_connected_anew(camera: Camera) -> None:
    recorder = Recorder()
    patience = Patience(open_s=1, stalled_after_s=0.5, lost_after_s=1.5, look_s=0.2, backoff=QUICK.backoff)
    async with running(_make(camera.url("/h264"), recorder, patience=patience)):
        recorder.wait_state(StreamState.LIVE)
        camera.freeze()
        recorder.wait_state(StreamState.STALLED)
        recorder.wait_state(StreamState.LOST)
        camera.thaw()
        recorder.wait_state(StreamState.LIVE, 2)


@pytest.mark.rtsp
async def test_a_name_that_leads_to_a_denied_network_is_never_connected_to(camera: Camera) -> None:
    recorder = Recorder()
    rules = AddressRules.of((), (), ("127.0.0.0/8", "::1/128"))
    async with running(_make(f"rtsp://localhost:{camera.port}/h264", recorder, rules=rules)):
        status = recorder.wait_state(StreamState.LOST)
    assert status.error_kind is SourceErrorKind.FORBIDDEN
    assert recorder.count == 0


@pytest.mark.rtsp
async def test_twenty_connections_leave_no_descriptor_and_no_thread(camera: Camera) -> None:
    async def once(path: str) -> None:
        recorder = Recorder()
        async with running(_make(camera.url(path), recorder)):
            recorder.wait("an attempt", lambda: len(recorder.statuses) >= 2)

    await once("/h264")
    before = _open_files()
    for _ in range(10):
        await once("/h264")
        await once("/nothing")
    assert _open_files() <= before


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "http", "https"])
async def test_a_server_that_speaks_something_else_is_said_to(scheme: str) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n" * 200)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    recorder = Recorder()
    async with server, running(_make(f"{scheme}://127.0.0.1:{port}/x", recorder)):
        await asyncio.to_thread(recorder.wait_state, StreamState.LOST)
    kinds = {status.error_kind for status in recorder.statuses if status.state is StreamState.LOST}
    assert kinds <= (
        {SourceErrorKind.TLS} if scheme.endswith("s") else {SourceErrorKind.NO_MEDIA, SourceErrorKind.UNREACHABLE}
    )


async def test_a_bug_in_an_attempt_is_logged_without_password_and_does_not_end_the_stream(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: RTSPSource) -> None:
        raise ValueError("cannot digest rtsp://admin:geheim@host/x")

    monkeypatch.setattr(RTSPSource, "_options", broken)
    recorder = Recorder()
    async with running(_make("rtsp://admin:geheim@127.0.0.1:9/x", recorder)):
        status = recorder.wait_state(StreamState.LOST)
        recorder.wait("a second attempt", lambda: len(recorder.statuses) >= 4)
    assert "internal error (ValueError)" in (status.message or "")
    assert "Traceback" in caplog.text
    assert "geheim" not in caplog.text + recorder.said()
