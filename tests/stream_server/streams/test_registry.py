from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest

from analyzer.alerting.verdict import Sensitivity, VerdictRules
from analyzer.datatypes import Frame, PictureTrouble
from analyzer.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    OverloadedError,
    SourceError,
    SourceErrorKind,
)
from stream_server.streams.registry import StreamRegistry
from stream_server.streams.sources.base import OnFrame, OnStatus, Source, SourceStatus, StreamState
from stream_server.streams.stream import StreamInfo, StreamSettings
from tests.cameras import Camera, free_port
from tests.videos import moving_face, write_video


class Slot:
    def __init__(self) -> None:
        self.frames = 0
        self.newest: Frame | None = None

    def put(self, frame: Frame) -> None:
        self.frames += 1
        self.newest = frame


class ListedEngine:
    """Remembers which streams it has."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.rules: dict[str, VerdictRules] = {}
        self.recorded: dict[str, bool] = {}

    def add_stream(self, stream_id: str) -> Slot:
        assert stream_id not in self.slots
        self.slots[stream_id] = Slot()
        return self.slots[stream_id]

    def set_rules(self, stream_id: str, rules: VerdictRules) -> None:
        assert stream_id in self.slots
        self.rules[stream_id] = rules

    def record(self, stream_id: str, recorded: bool) -> None:
        assert stream_id in self.slots
        self.recorded[stream_id] = recorded

    def remove_stream(self, stream_id: str) -> None:
        del self.slots[stream_id]
        self.rules.pop(stream_id, None)
        self.recorded.pop(stream_id, None)


class ScriptedSource:
    """A source whose statuses the test sends, from any thread."""

    kind = "webrtc"

    def __init__(self, on_frame: OnFrame, on_status: OnStatus) -> None:
        self.on_frame = on_frame
        self.on_status = on_status
        self.started = False
        self.stopped = 0
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        await self.may_stop.wait()
        self.stopped += 1

    def say(self, state: StreamState, generation: int = 0, size: tuple[int, int] | None = None) -> None:
        """From a thread, as real sources do."""
        width, height = size or (None, None)
        status = SourceStatus(state, width=width, height=height, generation=generation)
        thread = threading.Thread(target=self.on_status, args=(status,))
        thread.start()
        thread.join()


class World:
    """A registry and all that it tells."""

    def __init__(self, settings: StreamSettings) -> None:
        self.engine = ListedEngine()
        self.published: list[StreamInfo] = []
        self.removed: list[str] = []
        self.sources: list[ScriptedSource] = []
        self._changed = asyncio.Event()
        self.registry = StreamRegistry(self.engine, settings, self._publish, self._remove)

    def _publish(self, info: StreamInfo) -> None:
        self.published.append(info)
        self._changed.set()

    def _remove(self, stream_id: str) -> None:
        self.removed.append(stream_id)
        self._changed.set()

    def add(self, stream_id: str = "cam") -> ScriptedSource:
        def make(on_frame: OnFrame, on_status: OnStatus) -> Source:
            self.sources.append(ScriptedSource(on_frame, on_status))
            return self.sources[-1]

        self.registry.add_source(stream_id, "webrtc", make)
        return self.sources[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_state(self, state: StreamState) -> StreamInfo:
        await self.until(lambda: self.published[-1].status.state is state)
        return self.published[-1]


@asynccontextmanager
async def _world(settings: StreamSettings | None = None) -> AsyncIterator[World]:
    world = World(settings or StreamSettings(watchdog_s=60))
    try:
        yield world
    finally:
        for source in world.sources:
            source.may_stop.set()
        await world.registry.close()
    assert world.engine.slots == {}
    left = [t.name for t in threading.enumerate() if t.name.startswith("source-")]
    assert not left


async def test_an_added_stream_is_started_listed_and_published() -> None:
    async with _world() as world:
        source = world.add("front-door.1")
        assert source.started
        info = world.registry.get("front-door.1")
        assert (info.kind, info.url, info.status.state) == ("webrtc", None, StreamState.CONNECTING)
        assert world.registry.list() == [info] == world.published
        assert info.added_at > 1.7e9


async def test_streams_are_listed_in_the_order_in_which_they_came() -> None:
    async with _world() as world:
        for name in ("c", "a", "b"):
            world.add(name)
        assert [info.stream_id for info in world.registry.list()] == ["c", "a", "b"]


@pytest.mark.parametrize("stream_id", ["", "a" * 65, "a b", "-a", ".a", "ä", "a/b", "a\n", "../x", "a\x00", "👻"])
async def test_a_bad_id_is_refused(stream_id: str) -> None:
    async with _world() as world:
        with pytest.raises(ConfigError, match="expected a stream id"):
            world.registry.add_url(stream_id, "rtsp://127.0.0.1/x", trusted=False)
    assert world.published == []


@pytest.mark.parametrize("stream_id", ["a", "a" * 64, "0", "Cam_1.front-door"])
async def test_a_good_id_is_taken(stream_id: str) -> None:
    async with _world() as world:
        world.add(stream_id)


async def test_a_taken_id_is_refused_until_it_is_removed() -> None:
    async with _world() as world:
        world.add("cam")
        with pytest.raises(ConflictError, match="cam"):
            world.add("cam")
        await world.registry.remove("cam")
        world.add("cam")


async def test_more_streams_than_allowed_are_refused_with_the_number() -> None:
    async with _world(StreamSettings(max_streams=2)) as world:
        world.add("a")
        world.add("b")
        with pytest.raises(OverloadedError, match="all 2 streams"):
            world.add("c")
        await world.registry.remove("a")
        world.add("c")


@pytest.mark.parametrize("url", ["concat:a|b", "", "gopher://x/", "rtsp://"])
async def test_a_bad_address_adds_nothing(url: str) -> None:
    async with _world() as world:
        with pytest.raises(ConfigError):
            world.registry.add_url("cam", url, trusted=True)
        assert world.registry.list() == []
        assert world.engine.slots == {}


async def test_the_settings_rules_bind_what_comes_over_the_api(tmp_path: Path) -> None:
    settings = StreamSettings(folders=(tmp_path,), deny_networks=("10.0.0.0/8",))
    async with _world(settings) as world:
        for url in ("/etc/passwd", "rtsp://10.0.0.1/x", "http://169.254.169.254/"):
            with pytest.raises(SourceError) as caught:
                world.registry.add_url("cam", url, trusted=False)
            assert caught.value.kind is SourceErrorKind.FORBIDDEN
        assert world.engine.slots == {}


async def test_the_password_of_an_address_is_masked() -> None:
    async with _world() as world:
        info = world.registry.add_url("cam", f"rtsp://admin:geheim@127.0.0.1:{free_port()}/x", trusted=False)
        assert info.kind == "rtsp"
        assert info.url is not None
        assert info.url.startswith("rtsp://admin:***@127.0.0.1:")
        await world.until_state(StreamState.LOST)
    assert "geheim" not in repr(world.published)


async def test_a_source_that_cannot_be_made_leaves_nothing_behind() -> None:
    def make(on_frame: OnFrame, on_status: OnStatus) -> Source:
        raise ConfigError("no such codec")

    async with _world() as world:
        with pytest.raises(ConfigError, match="no such codec"):
            world.registry.add_source("cam", "webrtc", make)
        assert world.engine.slots == {}
        assert world.published == []
        world.add("cam")


async def test_statuses_from_threads_are_published_on_the_loop() -> None:
    async with _world() as world:
        source = world.add()
        loop_thread = threading.get_ident()
        seen: list[int] = []
        world.registry._publish = lambda info: seen.append(threading.get_ident()) or world._publish(info)  # type: ignore[func-returns-value]
        source.say(StreamState.LIVE, 1, (640, 480))
        info = await world.until_state(StreamState.LIVE)
    assert seen == [loop_thread]
    assert (info.status.width, info.status.height, info.status.generation) == (640, 480, 1)
    assert world.published[-1].status.state is StreamState.LIVE


async def test_a_status_that_says_nothing_new_is_not_published() -> None:
    async with _world() as world:
        source = world.add()
        for _ in range(3):
            source.say(StreamState.CONNECTING)
        source.say(StreamState.LIVE)
        await world.until_state(StreamState.LIVE)
        assert [info.status.state for info in world.published] == [StreamState.CONNECTING, StreamState.LIVE]


async def test_removing_stops_the_source_and_says_so() -> None:
    async with _world() as world:
        source = world.add()
        await world.registry.remove("cam")
        assert source.stopped == 1
        assert world.removed == ["cam"]
        assert world.registry.list() == []
        with pytest.raises(NotFoundError):
            world.registry.get("cam")
        with pytest.raises(NotFoundError):
            await world.registry.remove("cam")


async def test_an_unknown_id_is_not_echoed_at_length() -> None:
    async with _world() as world:
        with pytest.raises(NotFoundError) as caught:
            world.registry.get("x" * 100_000)
    assert len(str(caught.value)) < 200


async def test_two_who_remove_the_same_stream_both_wait_for_its_end() -> None:
    async with _world() as world:
        source = world.add()
        source.may_stop.clear()
        both = [asyncio.create_task(world.registry.remove("cam")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ConflictError):
            world.add("cam")
        source.may_stop.set()
        await asyncio.gather(*both)
    assert source.stopped == 1
    assert world.removed == ["cam"]


async def test_a_removal_goes_on_when_who_asked_for_it_goes_away() -> None:
    async with _world() as world:
        source = world.add()
        source.may_stop.clear()
        request = asyncio.create_task(world.registry.remove("cam"))
        await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        source.may_stop.set()
        await world.until(lambda: world.removed == ["cam"])


async def test_what_a_removed_source_still_says_is_ignored() -> None:
    async with _world() as world:
        source = world.add()
        await world.registry.remove("cam")
        count = len(world.published)
        source.say(StreamState.LIVE)
        await asyncio.sleep(0)
        assert len(world.published) == count


async def test_a_publisher_that_left_is_removed_by_itself() -> None:
    async with _world() as world:
        source = world.add()
        source.say(StreamState.ENDED)
        await world.until(lambda: world.removed == ["cam"])
        assert world.published[-1].status.state is StreamState.ENDED
        assert source.stopped == 1
        world.add("cam")


async def test_a_live_stream_without_frames_is_stalled_and_live_again_with_the_next() -> None:
    async with _world(StreamSettings(watchdog_s=0.2)) as world:
        source = world.add()
        source.say(StreamState.LIVE, 1)
        info = await world.until_state(StreamState.STALLED)
        assert info.status.error_kind is SourceErrorKind.NO_MEDIA
        assert info.status.generation == 1
        stop = asyncio.Event()

        async def frames() -> None:
            while not stop.is_set():
                source.on_frame(_frame())
                await asyncio.sleep(0.01)

        feeding = asyncio.create_task(frames())
        await world.until_state(StreamState.LIVE)
        stop.set()
        await feeding
        assert world.engine.slots["cam"].frames > 0


def _frame() -> Frame:
    import time  # noqa: PLC0415

    from av import VideoFrame  # noqa: PLC0415

    return Frame("cam", 1, 0, None, time.monotonic(), VideoFrame(16, 16, "yuv420p"))


async def test_a_lost_stream_is_not_called_stalled() -> None:
    async with _world(StreamSettings(watchdog_s=0.05)) as world:
        lost, live = world.add("lost"), world.add("live")
        lost.say(StreamState.LOST)
        live.say(StreamState.LIVE)
        await world.until_state(StreamState.STALLED)  # of the other one: the watchdog has looked at both
        assert world.registry.get("lost").status.state is StreamState.LOST


async def test_closing_removes_all_at_once_and_admits_nobody() -> None:
    async with _world() as world:
        sources = [world.add(f"cam{i}") for i in range(8)]
        together = asyncio.Barrier(len(sources))
        for source in sources:
            source.stop = together.wait  # type: ignore[method-assign, assignment]  # each waits for all the others
        async with asyncio.timeout(30):
            await world.registry.close()
        assert sorted(world.removed) == [f"cam{i}" for i in range(8)]
        with pytest.raises(OverloadedError, match="shutting down"):
            world.add("late")
        await world.registry.close()


async def test_a_file_plays_into_the_engine(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving_face(6, (320, 240)), 15)
    async with _world() as world:
        info = world.registry.add_url("clip", str(path), trusted=True)
        assert (info.kind, info.url) == ("file", str(path))
        await world.until_state(StreamState.LIVE)
    assert world.removed == ["clip"]


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_camera_plays_into_the_engine(camera: Camera, transport: str) -> None:
    async with _world() as world:
        world.registry.add_url("cam", camera.url("/h264"), trusted=False, transport=transport)  # type: ignore[arg-type]  # from a table
        info = await world.until_state(StreamState.LIVE)
        assert info.status.codec == "h264"
        camera.kill()
        await world.until_state(StreamState.LOST)
    assert world.removed == ["cam"]


@pytest.mark.rtsp
async def test_a_hundred_streams_that_come_and_go_leave_nothing(camera: Camera) -> None:
    def held() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with _world() as world:
        await _come_and_go(world, camera, 10)
        before = held()
        await _come_and_go(world, camera, 100)
        assert held() <= before


async def _come_and_go(world: World, camera: Camera, count: int) -> None:
    for start in range(0, count, 10):
        names = [f"cam{start + i}" for i in range(10)]
        for name in names:
            world.registry.add_url(name, camera.url("/h264"), trusted=False)
        await asyncio.gather(*[world.registry.remove(name) for name in names])


async def test_a_stream_has_the_sensitivity_of_the_settings_its_own_or_the_one_it_was_added_with() -> None:
    settings = StreamSettings(
        sensitivity=Sensitivity.QUIET, sensitivities={"desk": Sensitivity.EAGER, "door": Sensitivity.EAGER}
    )
    async with _world(settings) as world:
        for stream_id in ("hall", "desk"):
            world.add(stream_id)
        world.registry.add_url("door", "rtsp://127.0.0.1:1/x", trusted=True, sensitivity=Sensitivity.BALANCED)
        assert {info.stream_id: info.sensitivity for info in world.registry.list()} == {
            "hall": Sensitivity.QUIET, "desk": Sensitivity.EAGER, "door": Sensitivity.BALANCED
        }  # fmt: skip
        assert world.engine.rules == {info.stream_id: info.sensitivity.rules for info in world.registry.list()}


async def test_a_sensitivity_is_changed_and_told_once() -> None:
    async with _world() as world:
        world.add("cam")
        before = len(world.published)
        for _ in range(2):
            info = world.registry.set_sensitivity("cam", Sensitivity.EAGER)
            assert info.sensitivity is Sensitivity.EAGER
        assert world.engine.rules["cam"] == Sensitivity.EAGER.rules
        assert [info.sensitivity for info in world.published[before:]] == [Sensitivity.EAGER]
        with pytest.raises(NotFoundError, match="there is no stream 'door'"):
            world.registry.set_sensitivity("door", Sensitivity.QUIET)


async def test_a_webcam_that_was_made_private_is_private_when_its_publisher_comes_back() -> None:
    async with _world() as world:
        source = world.add("cam")
        world.registry.set_privacy("cam", True)
        source.say(StreamState.ENDED)
        await world.until(lambda: world.removed == ["cam"])
        world.add("cam")
        assert world.registry.get("cam").privacy
        assert world.engine.recorded == {"cam": False}
        # a publisher that says goodbye has no say in it either
        await world.registry.remove("cam")
        world.add("cam")
        assert world.engine.recorded == {"cam": False}


async def test_a_camera_that_was_added_as_private_is_private_when_its_name_is_published() -> None:
    async with _world() as world:
        world.registry.add_url("cam", "rtsp://127.0.0.1:1/x", trusted=True, privacy=True)
        await world.registry.remove("cam")
        world.add("cam")
        assert world.engine.recorded == {"cam": False}


async def test_what_was_made_private_is_so_until_somebody_says_otherwise_or_removes_it() -> None:
    async with _world() as world:
        world.add("cam")
        world.registry.set_privacy("cam", True)
        world.registry.set_privacy("cam", False)
        await world.registry.remove("cam")
        world.add("cam")
        assert world.engine.recorded == {"cam": True}
        world.registry.set_privacy("cam", True)
        await world.registry.remove("cam", forget_privacy=True)
        world.add("cam")
        assert world.engine.recorded == {"cam": True}


async def test_what_the_settings_keep_private_no_removal_forgets() -> None:
    async with _world(StreamSettings(private=frozenset({"cam"}))) as world:
        world.add("cam")
        await world.registry.remove("cam", forget_privacy=True)
        world.add("cam")
        assert world.engine.recorded == {"cam": False}


async def test_what_is_wrong_with_the_pictures_is_told_until_it_is_over() -> None:
    async with _world() as world:
        world.add("cam")
        before = len(world.published)
        world.registry.show_picture("cam", PictureTrouble.FROZEN, 1_000.0)
        info = world.registry.get("cam")
        assert (info.picture, info.picture_since) == (PictureTrouble.FROZEN, 1_000.0)
        world.registry.show_picture("cam", None, 1_010.0)
        assert [(one.picture, one.picture_since) for one in world.published[before:]] == [
            (PictureTrouble.FROZEN, 1_000.0), (None, None)
        ]  # fmt: skip
        for other in ("door", "hall"):
            world.registry.show_picture("cam", PictureTrouble.DUPLICATED, 1_015.0, other)
            assert world.registry.get("cam").picture_same_as == other
        await world.registry.remove("cam")
        world.registry.show_picture("cam", PictureTrouble.BLACK, 1_020.0)
        assert world.removed == ["cam"]


async def test_a_stream_without_pictures_has_no_trouble_with_them() -> None:
    async with _world() as world:
        source = world.add("cam")
        source.say(StreamState.LIVE, 1)
        await world.until_state(StreamState.LIVE)
        world.registry.show_picture("cam", PictureTrouble.FROZEN, 1_000.0)
        world.registry.show_picture("cam", PictureTrouble.FROZEN, 1_000.0)
        assert [one.picture for one in world.published].count(PictureTrouble.FROZEN) == 1
        world.registry.show_picture("cam", PictureTrouble.DUPLICATED, 1_001.0, "door")
        source.say(StreamState.LOST, 1)
        info = await world.until_state(StreamState.LOST)
        assert (info.picture, info.picture_since, info.picture_same_as) == (None, None, None)


async def test_streams_that_may_repeat_are_those_that_the_settings_name() -> None:
    async with _world(StreamSettings(may_repeat=("test-*", "hall"))) as world:
        for stream_id in ("test-1", "hall", "hall-2"):
            picture = av.VideoFrame(16, 16, "rgb24")
            world.add(stream_id).on_frame(Frame(stream_id, 0, 0, None, 1.0, picture))
        newest = {name: slot.newest for name, slot in world.engine.slots.items()}
        assert {name: frame.may_repeat for name, frame in newest.items() if frame} == {
            "test-1": True, "hall": True, "hall-2": False
        }  # fmt: skip
