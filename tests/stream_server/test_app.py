from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from analyzer.errors import ConfigError, DetectorError, OverloadedError, SourceError, WeightsError
from analyzer.faces.detector import FaceDetector
from analyzer.scorer import Scorer
from stream_server.app import create_app
from stream_server.settings.schema import ServerSettings, Settings, SourceSettings, StreamEntry
from tests.fakes import FakeScorer
from tests.stream_server.app_of import a_face_detector, deliver_until, running_app, wait_for
from tests.videos import moving_face, write_video

ROOT = Path(__file__).parents[2]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_application_does_not_import_torch() -> None:
    code = "import sys, stream_server.app, stream_server.cli.commands; print([m for m in sys.modules if m == 'torch'])"
    assert python(code) == "[]\n"


def test_help_does_not_wait_for_the_server() -> None:
    heavy = ("fastapi", "aiortc", "cv2", "av")
    code = f"import sys, stream_server.cli.commands; print([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "[]\n"


def others() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_when_it_ends_no_thread_and_no_task_is_left() -> None:
    before = others()
    with running_app() as running:
        source = running.add_source("door")
        running.add_source("yard")
        with running.live() as socket:
            deliver_until(source, socket, lambda m: m["type"] == "score")
    assert others() - before == set()
    assert source.stopped


async def test_when_it_ends_only_the_test_runs_on_the_loop() -> None:
    app = create_app(Settings(), make_scorer=FakeScorer, make_detector=a_face_detector)
    async with app.router.lifespan_context(app):
        assert len(asyncio.all_tasks()) > 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_scorer_is_closed_at_the_end() -> None:
    scorer = FakeScorer()
    app = create_app(Settings(), make_scorer=lambda: scorer, make_detector=a_face_detector)
    async with app.router.lifespan_context(app):
        assert not scorer.closed
    assert scorer.closed


async def test_it_can_run_twice() -> None:
    app = create_app(Settings(), make_scorer=FakeScorer, make_detector=a_face_detector)
    for _ in range(2):
        async with app.router.lifespan_context(app):
            assert app.state.monitor.engine.info.model == "fake"


async def test_a_scorer_that_cannot_be_made_ends_the_start_and_leaves_nothing() -> None:
    before = others()

    def fail() -> Scorer:
        raise WeightsError("the file is cut short")

    app = create_app(Settings(), make_scorer=fail, make_detector=a_face_detector)
    with pytest.raises(WeightsError, match="cut short"):
        async with app.router.lifespan_context(app):
            raise AssertionError
    assert {name for name in others() - before if not name.startswith("asyncio")} == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_detector_that_cannot_be_made_is_the_streams_trouble_alone() -> None:
    def fail() -> FaceDetector:
        raise DetectorError("no such file")

    app = create_app(Settings(), make_scorer=FakeScorer, make_detector=fail)
    async with app.router.lifespan_context(app):
        assert app.state.monitor.engine.info.model == "fake"


def test_streams_of_the_settings_are_opened_and_trusted(tmp_path: Path) -> None:
    video = write_video(tmp_path / "face.mp4", moving_face(20))
    settings = Settings(
        streams={"clip": StreamEntry(url=str(video)), "cam": StreamEntry(url="rtsp://u:hush@127.0.0.1:1/x")}
    )
    with running_app(settings) as running, running.live() as socket:
        hello = wait_for(socket, lambda m: m["type"] == "hello")
        assert {stream["stream_id"] for stream in hello["streams"]} == {"clip", "cam"}
        assert "hush" not in str(hello)
        if not any(s["state"] == "live" for s in hello["streams"]):
            wait_for(socket, lambda m: m["type"] == "stream" and m["stream_id"] == "clip" and m["state"] == "live")


@pytest.mark.parametrize("url", ["gopher://x/y", "http://169.254.169.254/"])
def test_a_wrong_stream_in_the_settings_is_named_before_anything_is_loaded(url: str) -> None:
    settings = Settings(streams={"good": StreamEntry(url="rtsp://127.0.0.1:1/x"), "cam": StreamEntry(url=url)})
    with pytest.raises((ConfigError, SourceError), match="stream cam: "):
        create_app(settings, make_scorer=FakeScorer, make_detector=a_face_detector)


async def test_more_streams_in_the_settings_than_allowed_end_the_start_and_leave_nothing() -> None:
    entries = {f"cam{i}": StreamEntry(url=f"rtsp://127.0.0.1:1/{i}") for i in range(3)}
    settings = Settings(streams=entries, sources=SourceSettings(max_streams=2))
    before = set(threading.enumerate())
    app = create_app(settings, make_scorer=FakeScorer, make_detector=a_face_detector)
    with pytest.raises(OverloadedError, match="all 2 streams"):
        async with app.router.lifespan_context(app):
            raise AssertionError
    assert asyncio.all_tasks() == {asyncio.current_task()}
    left = {t.name for t in set(threading.enumerate()) - before if not t.name.startswith("asyncio_")}
    assert left == set()


def test_pages_of_allowed_origins_may_read_the_answers() -> None:
    settings = Settings(server=ServerSettings(allowed_origins=("https://ok.example",)))
    with running_app(settings) as running:
        answer = running.client.get("/health", headers={"Origin": "https://ok.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://ok.example"
        other = running.client.get("/health", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers
        ask = {"Origin": "https://ok.example", "Access-Control-Request-Method": "DELETE"}
        assert running.client.options("/api/streams/door", headers=ask).status_code == 200


def test_a_whip_publisher_finds_its_endpoint() -> None:
    with running_app() as running:
        answer = running.client.post("/whip/cam", content=b"v=0", headers={"Content-Type": "application/sdp"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_sdp"


def test_a_face_ends_on_the_websocket_when_its_stream_is_removed() -> None:
    with running_app() as running, running.live() as socket:
        source = running.add_source()
        deliver_until(source, socket, lambda m: m["type"] == "score")
        assert running.client.delete("/api/streams/door").status_code == 204
        removed = wait_for(socket, lambda m: m["type"] == "stream")
        assert removed["state"] == "removed"
        assert running.monitor.hub.hello().scores == ()


@pytest.mark.parametrize("name", ["gone", "file"])
def test_a_folder_that_uploads_cannot_be_written_to_ends_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    settings = Settings(server=ServerSettings(upload_folder=tmp_path / name))
    with pytest.raises(ConfigError, match=r"server\.upload_folder: expected a folder that can be written"):
        create_app(settings, make_scorer=FakeScorer)
