from __future__ import annotations

import asyncio
import base64
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from analyzer.datatypes import Detection, Pixels
from analyzer.faces.detector import YuNetDetector
from stream_server.app import create_app
from stream_server.settings.schema import ServerSettings, Settings
from tests.fakes import FakeScorer
from tests.stream_server.app_of import BASE, Running, running_app, wait_for
from tests.videos import moving_face, write_video

CONTRACT = {"filename", "prediction", "status"}


@pytest.fixture(scope="module")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a real face."""
    return write_video(tmp_path_factory.mktemp("video") / "face.mp4", moving_face(60), fps=15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uploads wait; empty whenever no request runs."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    settings = Settings(server=ServerSettings(max_upload_mb=2, upload_folder=folder))
    with running_app(settings, make_detector=YuNetDetector) as running:
        yield running


@pytest.fixture(scope="module")
def face_bytes(face_video: Path) -> bytes:
    return face_video.read_bytes()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def upload(running: Running, content: bytes, name: str = "a.mp4") -> Any:
    return running.client.post("/predict_video", files={"file": (name, content)})


def error(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return answer.status_code, body["error"]["code"]


def test_a_video_with_a_face_is_answered_as_the_contract_says(running: Running, face_video: Path, folder: Path) -> None:
    answer = upload(running, face_video.read_bytes(), "my clip.mp4")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) >= CONTRACT
    assert (body["filename"], body["status"]) == ("my clip.mp4", "success")
    prediction = body["prediction"]
    assert set(prediction) == {"label", "raw_score", "confidence", "is_deepfake"}
    p = prediction["raw_score"]
    assert prediction["confidence"] == max(p, 1 - p)
    assert prediction["label"] == ("DEEPFAKE" if p >= 0.5 else "REAL")
    assert prediction["is_deepfake"] is (p >= 0.5)
    assert body["model"]["name"] == "fake"
    assert (body["video"]["width"], body["video"]["height"], body["video"]["frames_read"]) == (640, 360, 60)
    (face,) = body["faces"]
    assert set(face) == {
        "face_id", "first_s", "last_s", "fake_probability", "crops", "windows", "not_scored", "peak"
    }  # fmt: skip
    assert face["windows"] == len(body["timeline"]) > 0
    assert set(body["timeline"][0]) == {"face_id", "start_s", "end_s", "fake_probability"}
    assert files_in(folder) == []


def test_the_peak_of_a_face_is_explained_and_pictured_only_on_request(running: Running, face_bytes: bytes) -> None:
    files = {"file": ("a.mp4", face_bytes)}
    plain = running.client.post("/predict_video", files=files).json()
    pictured = running.client.post("/predict_video?pictures=true", files=files).json()
    for answer in (plain, pictured):
        peak = answer["faces"][0]["peak"]
        assert peak["fake_probability"] == max(point["fake_probability"] for point in answer["timeline"])
        assert [len(row) for row in peak["evidence"]["where"]] == [7] * 7
    assert plain["faces"][0]["peak"]["picture"] is None
    assert base64.b64decode(pictured["faces"][0]["peak"]["picture"]).startswith(b"\xff\xd8")


def test_progress_is_published_under_the_id_that_the_client_chose(running: Running, face_video: Path) -> None:
    with running.live() as socket:
        with face_video.open("rb") as file:
            answer = running.client.post("/predict_video?upload_id=mine-1", files={"file": ("a.mp4", file)})
        assert answer.status_code == 200
        seen = [wait_for(socket, lambda m: m["type"] == "upload")]
        while seen[-1]["progress"] < 1:
            seen.append(wait_for(socket, lambda m: m["type"] == "upload"))
    progress = [message["progress"] for message in seen]
    assert progress == sorted(progress)
    assert {message["upload_id"] for message in seen} == {"mine-1"}


def test_a_strange_upload_id_is_invalid(running: Running) -> None:
    answer = running.client.post("/predict_video?upload_id=<script>", files={"file": ("a.mp4", b"x")})
    assert error(answer) == (422, "invalid")


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"this is no video" * 100, b"\xff" * 5000], ids=len)
def test_what_is_no_video_is_said_by_the_clients_own_name(running: Running, folder: Path, content: bytes) -> None:
    answer = upload(running, content, "holiday.mp4")
    assert error(answer) == (422, "not_a_video")
    assert "holiday.mp4" in answer.json()["error"]["message"]
    assert "upload" not in answer.json()["error"]["message"]
    assert files_in(folder) == []


def test_a_truncated_video_is_answered_one_way_or_the_other(running: Running, face_video: Path, folder: Path) -> None:
    data = face_video.read_bytes()
    for share in (0.1, 0.5, 0.9):
        answer = upload(running, data[: int(len(data) * share)])
        assert answer.status_code in (200, 422)
    assert files_in(folder) == []


def test_a_video_without_a_face_says_so(running: Running, tmp_path: Path, folder: Path) -> None:
    grey: Pixels = np.full((120, 160, 3), 90, np.uint8)
    video = write_video(tmp_path / "grey.mp4", [grey] * 20)
    assert error(upload(running, video.read_bytes())) == (422, "no_faces")
    assert files_in(folder) == []


def test_too_large_is_refused_by_its_announced_length(running: Running) -> None:
    answer = upload(running, b"\0" * 2_000_001)
    assert error(answer) == (413, "too_large")


def test_too_large_is_refused_by_its_counted_length_when_none_is_announced(running: Running, folder: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        for _ in range(40):
            yield b"\0" * 100_000
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = running.client.post("/predict_video", content=chunks(), headers=headers)
    assert error(answer) == (413, "too_large")
    assert files_in(folder) == []


@pytest.mark.parametrize(
    ("headers", "content", "expected"),
    [
        ({"Content-Type": "video/mp4"}, b"x", (415, "unsupported_media_type")),
        ({"Content-Type": "application/json"}, b"{}", (415, "unsupported_media_type")),
        ({}, b"x", (415, "unsupported_media_type")),
        ({"Content-Type": "multipart/form-data"}, b"x", (400, "malformed_multipart")),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"garbage", (400, "malformed_multipart")),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"", (400, "malformed_multipart")),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b--\r\n", (422, "missing_file")),
    ],
)
def test_a_wrong_request_is_refused(
    running: Running, headers: dict[str, str], content: bytes, expected: tuple[int, str]
) -> None:
    assert error(running.client.post("/predict_video", content=content, headers=headers)) == expected


def test_another_field_name_is_a_missing_file(running: Running) -> None:
    assert error(running.client.post("/predict_video", files={"video": ("a.mp4", b"x")})) == (422, "missing_file")


def test_a_page_of_another_origin_may_not_upload(running: Running) -> None:
    answer = running.client.post("/predict_video", files={"file": ("a", b"")}, headers={"Origin": "http://x.y"})
    assert answer.status_code == 403


def test_without_trained_weights_no_number_is_invented(face_video: Path) -> None:
    with running_app(make_scorer=lambda: FakeScorer(trained=False)) as running:
        assert error(upload(running, face_video.read_bytes())) == (503, "no_weights")


class WaitingDetector:
    """Finds nothing, and waits at its first picture until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.pictures = 0

    def detect(self, rgb: Pixels) -> list[Detection]:
        self.pictures += 1
        self.reached.set()
        assert self.go_on.wait(60)
        return []


async def with_app(
    folder: Path, detector: WaitingDetector, use: Callable[[httpx.AsyncClient, Any], Any], **server: Any
) -> None:
    """Run the application on this test's own loop, where a request can be cancelled half-way."""
    settings = Settings(server=ServerSettings(upload_folder=folder, **server))
    app = create_app(settings, make_scorer=FakeScorer, make_detector=lambda: detector)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            await use(client, app)


async def test_one_upload_too_many_is_refused_until_a_place_is_free(face_bytes: bytes, tmp_path: Path) -> None:
    detector = WaitingDetector()

    async def use(client: httpx.AsyncClient, _: Any) -> None:
        files = {"file": ("a.mp4", face_bytes)}
        first = asyncio.create_task(client.post("/predict_video", files=files))
        assert await asyncio.to_thread(detector.reached.wait, 60)
        refused = await client.post("/predict_video", files=files)
        assert error(refused) == (503, "overloaded")
        assert (await client.get("/health")).status_code == 200, "others are served meanwhile"
        detector.go_on.set()
        assert error(await first) == (422, "no_faces")
        assert error(await client.post("/predict_video", files=files)) == (422, "no_faces")

    await with_app(tmp_path, detector, use, max_concurrent_uploads=1)
    assert files_in(tmp_path) == []


async def test_a_client_that_leaves_stops_the_analysis_and_leaves_no_file(face_bytes: bytes, tmp_path: Path) -> None:
    detector = WaitingDetector()

    async def use(_: httpx.AsyncClient, app: Any) -> None:
        gone = asyncio.Event()
        body = multipart(face_bytes)
        sent = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if sent:
                return sent.pop()
            await gone.wait()
            # runs after whoever listens has taken the news
            asyncio.get_running_loop().call_soon(detector.go_on.set)
            return {"type": "http.disconnect"}

        answers: list[Any] = []

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/predict_video", "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")],
            "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        request = asyncio.create_task(app(scope, receive, send))
        assert await asyncio.to_thread(detector.reached.wait, 60)
        assert len(files_in(tmp_path)) == 1
        gone.set()
        await request
        assert answers[0]["status"] == 499
        assert app.state.monitor.uploads.taken == 0

    await with_app(tmp_path, detector, use)
    assert detector.pictures == 1, "it went no further than the picture it was at"
    assert files_in(tmp_path) == []


async def test_a_server_that_stops_does_not_wait_for_a_video(face_bytes: bytes, tmp_path: Path) -> None:
    detector = WaitingDetector()
    answer: list[asyncio.Task[httpx.Response]] = []

    async def use(client: httpx.AsyncClient, app: Any) -> None:
        files = {"file": ("a.mp4", face_bytes)}
        task = asyncio.create_task(client.post("/predict_video", files=files))
        assert await asyncio.to_thread(detector.reached.wait, 60)
        app.state.monitor.uploads.stopping.set()
        detector.go_on.set()
        assert error(await task) == (503, "stopping")
        answer.append(task)

    await with_app(tmp_path, detector, use)
    assert answer
    assert detector.pictures == 1
    assert files_in(tmp_path) == []


def multipart(content: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return head + content + b"\r\n--b--\r\n"


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """The system refuses to write more than a megabyte into a file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files_only")
def test_a_disk_that_takes_no_more_is_said_so_and_leaves_no_file(running: Running, folder: Path) -> None:
    assert error(upload(running, b"x" * 1_900_000)) == (503, "no_space")
    assert files_in(folder) == []


def test_a_folder_that_went_away_is_said_so_and_may_come_back(tmp_path: Path, face_bytes: bytes) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    settings = Settings(server=ServerSettings(upload_folder=folder))
    with running_app(settings, make_detector=YuNetDetector) as running:
        folder.rmdir()
        answer = upload(running, face_bytes)
        assert error(answer) == (503, "no_space")
        assert "server.upload_folder" in answer.json()["error"]["message"]
        folder.mkdir()
        assert upload(running, face_bytes).status_code == 200
