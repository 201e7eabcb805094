"""Everything that must not bring the monitor down, thrown at one that runs as users run it, beside a stream that works.

Each gets its reason; the working stream goes on; and when all is removed nothing is left: no descriptor, no thread, no
file.
"""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from analyzer.datatypes import Pixels
from tests.cameras import free_port
from tests.monitor_process import Live, MonitorProcess
from tests.videos import face_on_canvas, moving_face, write_video

PATIENCE_S = 90.0
SDP = "application/sdp"
SPARE_DESCRIPTORS = 2
"""A connection that is just being closed, here or there, is no leak."""


def plain(count: int, size: tuple[int, int]) -> Iterable[Pixels]:
    for shade in range(count):
        yield np.full((size[1], size[0], 3), 60 + shade, np.uint8)


def crowd(count: int) -> Iterable[Pixels]:
    """Fifty faces of 72 pixels, ten in a row."""
    face = face_on_canvas(48, 48, (96, 96), 72)
    picture = np.tile(face, (5, 10, 1))
    for _ in range(count):
        yield picture


def one_pixel(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 1, 1, "bgr0"
        for picture in plain(5, (1, 1)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def changing_size(path: Path) -> Path:
    parts = [
        write_video(path.with_name(f"{width}.h264"), moving_face(10, (width, height), 90))
        for width, height in ((640, 480), (320, 240), (480, 640))
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "face.mp4", moving_face(450), fps=15)  # half a minute, for a window may take eight seconds
    write_video(folder / "8k.mp4", plain(3, (7680, 4320)), fps=2)
    write_video(folder / "beyond-8k.mp4", plain(2, (8192, 4352)), fps=2)
    write_video(folder / "crowd.mp4", crowd(100))
    one_pixel(folder / "1x1.mkv")
    changing_size(folder / "changing.h264")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "cut.mp4").write_bytes((folder / "face.mp4").read_bytes()[:20_000])
    return folder


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the monitor may put temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def monitor(videos: Path, temporary: Path) -> Iterator[MonitorProcess]:
    environment = {
        "DEEPFAKE_MONITOR_SOURCES__FOLDERS": json.dumps([str(videos)]),
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",
    }
    with MonitorProcess(environment) as running:
        running.add_stream("alive", str(videos / "face.mp4"))
        yield running


@pytest.fixture(scope="module")
def mute() -> Iterator[int]:
    """The port of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


class _Locked(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def locked() -> Iterator[int]:
    """The port of a server that lets nobody in."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Locked) as server:
        thread = threading.Thread(target=server.serve_forever, name="locked-camera")
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def refusal(monitor: MonitorProcess, method: str, path: str, body: bytes, content_type: str) -> tuple[int, str, str]:
    """Status, code and message of the answer to a request that must be refused."""
    host = monitor.address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        error = json.loads(answer.read())["error"]
    finally:
        connection.close()
    return answer.status, error["code"], error["message"]


def goes_on(monitor: MonitorProcess) -> None:
    """The working stream has a score from now on, and no thread died."""
    now = time.time()
    with monitor.listening() as live:
        live.until(
            "a new score of the working stream",
            lambda m: m["type"] == "score" and m["stream_id"] == "alive" and m["face_at"] > now,
            PATIENCE_S,
        )
    health = monitor.call("GET", "/health")
    assert health["status"] == "ok", health
    assert all(thread["alive"] for thread in health["threads"])


def state_of(stream_id: str, *states: str) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m["type"] == "stream" and m["stream_id"] == stream_id and m["state"] in states


def faces_of(stream_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m["type"] == "faces" and m["stream_id"] == stream_id


def test_strange_pictures_are_looked_at_and_hurt_nobody(monitor: MonitorProcess, videos: Path) -> None:
    with monitor.listening() as live:
        for name, size in [("1x1.mkv", (1, 1)), ("8k.mp4", (7680, 4320))]:
            monitor.add_stream("strange", str(videos / name))
            looked = live.until(f"a look at {name}", faces_of("strange"), PATIENCE_S)
            assert (looked["width"], looked["height"], looked["faces"]) == (*size, [])
            monitor.remove_stream("strange")
            live.until("its removal", state_of("strange", "removed"), PATIENCE_S)
    goes_on(monitor)


def test_a_picture_beyond_8k_is_counted_and_left_out(monitor: MonitorProcess, videos: Path) -> None:
    with monitor.listening() as live:
        monitor.add_stream("vast", str(videos / "beyond-8k.mp4"))
        live.until("the count", lambda m: m["type"] == "stats" and m["dropped"].get("bad_frame", 0) > 0, PATIENCE_S)
        monitor.remove_stream("vast")
        live.until("its removal", state_of("vast", "removed"), PATIENCE_S)
    goes_on(monitor)


def test_a_size_that_changes_in_mid_stream_is_followed(monitor: MonitorProcess, videos: Path) -> None:
    sizes: set[tuple[int, int]] = set()

    def all_seen(message: dict[str, Any]) -> bool:
        if faces_of("changing")(message):
            sizes.add((message["width"], message["height"]))
        return sizes >= {(640, 480), (320, 240), (480, 640)}

    with monitor.listening() as live:
        monitor.add_stream("changing", str(videos / "changing.h264"))
        live.until("all three sizes", all_seen, PATIENCE_S)
        monitor.remove_stream("changing")
        live.until("its removal", state_of("changing", "removed"), PATIENCE_S)
    goes_on(monitor)


def test_of_fifty_faces_the_most_are_followed_and_another_stream_is_still_scored(
    monitor: MonitorProcess, videos: Path
) -> None:
    with monitor.listening() as live:
        monitor.add_stream("crowd", str(videos / "crowd.mp4"))
        seen = live.until("the crowd", lambda m: faces_of("crowd")(m) and len(m["faces"]) >= 16, PATIENCE_S)
        assert len(seen["faces"]) == 16, "analyzer.max_faces"
        goes_on(monitor)
        monitor.remove_stream("crowd")
        live.until("its removal", state_of("crowd", "removed"), PATIENCE_S)


def bad_addresses(videos: Path, mute: int, locked: int) -> dict[str, tuple[str, str, str]]:
    """By id: address, error kind, a word of the reason."""
    return {
        "mute-rtsp": (f"rtsp://user:hush@127.0.0.1:{mute}/x", "unreachable", "no answer in time"),
        "mute-http": (f"http://127.0.0.1:{mute}/x", "unreachable", "no answer in time"),
        "refused": (f"rtsp://127.0.0.1:{free_port()}/x", "unreachable", "nothing listens"),
        "nowhere": ("rtsp://no-such-host.invalid/x", "unreachable", "not known"),
        "locked": (f"http://user:hush@127.0.0.1:{locked}/x", "auth", "password refused"),
        "empty": (str(videos / "empty.mp4"), "no media", "not a video"),
        "text": (str(videos / "text.mp4"), "no media", "not a video"),
        "missing": (str(videos / "missing.mp4"), "not found", "cannot be read"),
    }


def test_bad_addresses_say_what_is_wrong_and_leave_nothing_behind(
    monitor: MonitorProcess, videos: Path, mute: int, locked: int
) -> None:
    def once(live: Live) -> None:
        wanted = bad_addresses(videos, mute, locked)
        lost: dict[str, dict[str, Any]] = {}

        def all_lost(message: dict[str, Any]) -> bool:
            if message["type"] == "stream" and message["state"] == "lost":
                lost[message["stream_id"]] = message
            return lost.keys() >= wanted.keys()

        for stream_id, (url, _, _) in wanted.items():
            monitor.add_stream(stream_id, url)
        live.until("all losses", all_lost, PATIENCE_S)
        for stream_id, (_, kind, words) in wanted.items():
            assert lost[stream_id]["error_kind"] == kind, lost[stream_id]
            assert words in lost[stream_id]["message"]
            assert lost[stream_id]["retry_in_s"] > 0
        assert "hush" not in json.dumps(live.seen)
        for stream_id in wanted:
            monitor.remove_stream(stream_id)

    with monitor.listening() as live:
        once(live)  # whatever is made once and kept is there from now on
        before = monitor.usage.num_fds(), monitor.usage.num_threads()
        once(live)
        nothing_left(monitor, before)
    goes_on(monitor)


def nothing_left(monitor: MonitorProcess, before: tuple[int, int]) -> None:
    """Until there are no more descriptors and threads than before."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        descriptors, threads = monitor.usage.num_fds(), monitor.usage.num_threads()
        if descriptors <= before[0] + SPARE_DESCRIPTORS and threads <= before[1]:
            return
        monitor.call("GET", "/health")  # something to wait for
    pytest.fail(f"descriptors and threads: {before} before, {(descriptors, threads)} now")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "concat:a|b", "pipe:0", "gopher://h/x", "/etc/passwd", ""])
def test_addresses_that_are_never_opened_are_refused_at_once(monitor: MonitorProcess, url: str) -> None:
    body = json.dumps({"id": "never", "url": url}).encode()
    status, _, message = refusal(monitor, "POST", "/api/streams", body, "application/json")
    assert status == 422
    assert message
    assert [s["stream_id"] for s in monitor.call("GET", "/api/streams")["items"]] == ["alive"]


def test_a_taken_id_is_refused_and_its_stream_goes_on(monitor: MonitorProcess, videos: Path) -> None:
    body = json.dumps({"id": "alive", "url": str(videos / "face.mp4")}).encode()
    assert refusal(monitor, "POST", "/api/streams", body, "application/json")[:2] == (409, "taken")
    assert refusal(monitor, "POST", "/whip/alive", b"v=0\r\n", SDP)[:2] == (409, "taken")
    goes_on(monitor)


@pytest.mark.parametrize(
    ("body", "content_type", "wanted"),
    [
        (b"", SDP, (400, "bad_sdp")),
        (b"hello", SDP, (400, "bad_sdp")),
        (b"v=0\r\n\xff", SDP, (400, "bad_sdp")),
        (b"v=0\r\na=x:" + b"y" * 1_000_000, SDP, (413, "too_large")),
        (b"v=0\r\n", "text/plain", (415, "unsupported_media_type")),
    ],
    ids=["empty", "text", "not UTF-8", "a megabyte", "content type"],
)
def test_a_bad_offer_is_refused(
    monitor: MonitorProcess, body: bytes, content_type: str, wanted: tuple[int, str]
) -> None:
    status, code, message = refusal(monitor, "POST", "/whip/cam", body, content_type)
    assert (status, code) == wanted
    assert "expected" in message
    assert [s["stream_id"] for s in monitor.call("GET", "/api/streams")["items"]] == ["alive"]


@pytest.mark.parametrize("garbage", ["{", "[" * 2000, '{"type": "pong"}', "x" * 5000, "x" * 100_000, b"\x00\xff"])
def test_websocket_garbage_ends_that_websocket_alone(monitor: MonitorProcess, garbage: str | bytes) -> None:
    with monitor.listening() as other, connect(monitor.websocket("/ws/live"), max_size=None) as bad:
        bad.send(garbage)
        with suppress(ConnectionClosed):
            for _ in bad:
                pass  # hello, and what was on its way
        assert bad.close_code in (1008, 1009)
        other.until("a message for the other one", lambda m: m["type"] in ("stats", "faces"))


def files_in(folder: Path) -> list[Path]:
    """All files; torch makes itself an empty folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def multipart(video: Path, name: str = "file") -> tuple[bytes, str]:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{video.name}"\r\n\r\n'.encode()
    return head + video.read_bytes() + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("file", "codes"),
    [
        ("empty.mp4", {"not_a_video"}),
        ("text.mp4", {"not_a_video"}),
        ("cut.mp4", {"not_a_video"}),
        ("1x1.mkv", {"no_faces"}),
        ("8k.mp4", {"no_faces", "too_large"}),
        ("beyond-8k.mp4", {"too_large", "not_a_video"}),
    ],
)
def test_an_upload_that_cannot_be_judged_says_why_and_leaves_no_file(
    monitor: MonitorProcess, videos: Path, temporary: Path, file: str, codes: set[str]
) -> None:
    status, code, message = refusal(monitor, "POST", "/predict_video", *multipart(videos / file))
    assert status in (413, 422)
    assert code in codes
    assert len(message) > 20
    assert str(temporary) not in message
    assert files_in(temporary) == []


def test_after_all_that_the_monitor_is_well_and_alone(monitor: MonitorProcess, temporary: Path) -> None:
    goes_on(monitor)
    assert [s["stream_id"] for s in monitor.call("GET", "/api/streams")["items"]] == ["alive"]
    assert files_in(temporary) == []
