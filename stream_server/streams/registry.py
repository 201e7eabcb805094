"""Which videos are being watched: the only owner of sources."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Protocol

from analyzer.alerting.verdict import Sensitivity, VerdictRules
from analyzer.datatypes import Frame, PictureTrouble
from analyzer.errors import ConfigError, ConflictError, NotFoundError, OverloadedError, SourceErrorKind
from stream_server.streams.sources.address import AddressRules, parse_address
from stream_server.streams.sources.base import OnFrame, OnStatus, Source, SourceStatus, StreamState
from stream_server.streams.stream import STREAM_ID, StreamInfo, StreamSettings, Transport

log = logging.getLogger(__name__)


class Slot(Protocol):
    """Where a stream's frames go: never blocks, any thread (`analyzer.engine.engine.FrameSlot`)."""

    def put(self, frame: Frame) -> None: ...


class StreamEngine(Protocol):
    """What the registry needs of `analyzer.engine.engine.Engine`."""

    def add_stream(self, stream_id: str) -> Slot: ...

    def set_rules(self, stream_id: str, rules: VerdictRules) -> None:
        """Forgotten with the stream."""
        ...

    def record(self, stream_id: str, recorded: bool) -> None:
        """Whether pictures are made for evidence."""
        ...

    def remove_stream(self, stream_id: str) -> None:
        """Does not wait for the stream's thread."""
        ...


@dataclass(slots=True, eq=False)
class _Entry:
    """One stream; the event loop's, but for `frame_at_s`, which the source's thread writes."""

    info: StreamInfo
    reported: SourceStatus
    """What the source said last; `info` may say stalled instead."""
    source: Source | None = None
    frame_at_s: float = field(default_factory=time.monotonic)
    logged: tuple[StreamState, SourceErrorKind | None] | None = None
    removal: asyncio.Task[None] | None = None


class StreamRegistry:
    """Owns every source, from `add_*` to `remove`; tells the world whenever a stream changes.

    Event loop only. Statuses come from the sources' threads over one bridge, `call_soon_threadsafe`; frames go straight
    into the engine's slot. A live stream whose frames stop is shown as stalled even if its source does not notice.
    A source that says ENDED (a publisher that left) is removed by itself.
    """

    def __init__(
        self,
        engine: StreamEngine,
        settings: StreamSettings,
        publish: Callable[[StreamInfo], None],
        removed: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._rules = AddressRules.of(settings.folders, settings.allow_networks, settings.deny_networks)
        self._publish = publish
        self._removed = removed
        self._entries: dict[str, _Entry] = {}
        # by name, not by entry: a webcam that was made private stays so when its publisher drops and comes back
        self._private = set(settings.private)
        self._watchdog: asyncio.Task[None] | None = None
        self._closed = False

    def add_url(
        self,
        stream_id: str,
        url: str,
        *,
        trusted: bool,
        transport: Transport | None = None,
        sensitivity: Sensitivity | None = None,
        privacy: bool = False,
    ) -> StreamInfo:
        """Watch a camera, an HTTP video or a file. `trusted`: the operator said so (any file), not a client of the API.

        `transport` and `sensitivity`: None for what the settings say. `privacy`: keep no pictures of it; where the
        settings or `set_privacy` have said so for its id, they are not kept in any case.

        Raises `ConfigError` (id, address), `ConflictError` (id taken), `OverloadedError` (too many streams) and
        `SourceError(FORBIDDEN)`. That nobody answers is no error: the stream is added and says so.
        """
        self._check_room(stream_id)
        address = parse_address(url, trusted=trusted, rules=self._rules)

        def make(on_frame: OnFrame, on_status: OnStatus) -> Source:
            # Imported here: whoever only lists streams or takes WHIP must not pay for FFmpeg's containers.
            from stream_server.streams.sources.file import FileSource  # noqa: PLC0415
            from stream_server.streams.sources.rtsp import Reading, RTSPSource  # noqa: PLC0415

            if address.kind == "file":
                return FileSource(stream_id, address, self._rules, on_frame=on_frame, on_status=on_status)
            return RTSPSource(
                stream_id,
                address,
                self._rules,
                on_frame=on_frame,
                on_status=on_status,
                reading=Reading(transport or self._settings.rtsp_transport, self._settings.hardware_decoding),
            )

        return self._add(stream_id, address.kind, address.masked, make, sensitivity, privacy=privacy)

    def add_source(self, stream_id: str, kind: str, make: Callable[[OnFrame, OnStatus], Source]) -> StreamInfo:
        """Watch what `make(on_frame, on_status)` makes: WHIP publishers, demo clips. Same errors as `add_url`."""
        self._check_room(stream_id)
        return self._add(stream_id, kind, None, make)

    async def remove(self, stream_id: str, *, forget_privacy: bool = False) -> None:
        """Stop the source, join its threads, free its name. Raises `NotFoundError`.

        `forget_privacy`: the next stream of this name is private only where the settings say so.
        """
        entry = self._entry(stream_id)
        if forget_privacy and stream_id not in self._settings.private:
            self._private.discard(stream_id)
        await asyncio.shield(self._begin_removal(entry))

    def set_sensitivity(self, stream_id: str, sensitivity: Sensitivity) -> StreamInfo:
        """From its next face on. Raises `NotFoundError`."""
        entry = self._entry(stream_id)
        self._engine.set_rules(stream_id, sensitivity.rules)
        if entry.info.sensitivity is not sensitivity:
            entry.info = replace(entry.info, sensitivity=sensitivity)
            self._publish(entry.info)
        return entry.info

    def set_privacy(self, stream_id: str, privacy: bool) -> StreamInfo:
        """Whether pictures of it are kept, from now on, also when it ends and comes back; a restart forgets it.

        Raises `NotFoundError`, and `ConflictError` where the settings say for its id that none are.
        """
        entry = self._entry(stream_id)
        if not privacy and stream_id in self._settings.private:
            raise ConflictError(f"the settings keep the stream {stream_id!r} private: change them, and restart")
        if privacy:
            self._private.add(stream_id)
        else:
            self._private.discard(stream_id)
        self._engine.record(stream_id, self._settings.recorded and not privacy)
        if entry.info.privacy != privacy:
            entry.info = replace(entry.info, privacy=privacy)
            self._publish(entry.info)
        return entry.info

    def show_picture(
        self, stream_id: str, trouble: PictureTrouble | None, since: float, same_as: str | None = None
    ) -> None:
        """Its pictures got into trouble, or out of it. What still comes of a stream after its removal is ignored."""
        entry = self._entries.get(stream_id)
        if entry is None or entry.removal is not None:
            return
        if (entry.info.picture, entry.info.picture_same_as) == (trouble, same_as):
            return
        since_or_none = None if trouble is None else since
        entry.info = replace(entry.info, picture=trouble, picture_since=since_or_none, picture_same_as=same_as)
        if trouble is not None:
            log.warning("stream %s: %s%s", stream_id, trouble, f": {same_as}" if same_as else "")
        self._publish(entry.info)

    def get(self, stream_id: str) -> StreamInfo:
        """Raises `NotFoundError`."""
        return self._entry(stream_id).info

    def list(self) -> list[StreamInfo]:
        """In the order in which they were added."""
        return [entry.info for entry in self._entries.values()]

    async def close(self) -> None:
        """Remove every stream, all at once; nothing can be added any more. Fine to call again."""
        self._closed = True
        if self._watchdog is not None:
            self._watchdog.cancel()
            await asyncio.gather(self._watchdog, return_exceptions=True)
            self._watchdog = None
        await asyncio.gather(*[self._begin_removal(entry) for entry in list(self._entries.values())])

    def _entry(self, stream_id: str) -> _Entry:
        try:
            return self._entries[stream_id]
        except KeyError:
            raise NotFoundError(f"there is no stream {stream_id[:64]!r}") from None

    def _check_room(self, stream_id: str) -> None:
        if not STREAM_ID.fullmatch(stream_id):
            raise ConfigError(
                "expected a stream id of 1 to 64 letters, digits, '.', '_' or '-' that begins with a letter or digit, "
                f"got {stream_id[:80]!r}"
            )
        if self._closed:
            raise OverloadedError("the server is shutting down")
        if stream_id in self._entries:
            raise ConflictError(f"there is already a stream {stream_id!r}: remove it first or choose another id")
        if len(self._entries) >= self._settings.max_streams:
            raise OverloadedError(f"all {self._settings.max_streams} streams are in use: remove one first")

    def _add(
        self,
        stream_id: str,
        kind: str,
        url: str | None,
        make: Callable[[OnFrame, OnStatus], Source],
        sensitivity: Sensitivity | None = None,
        *,
        privacy: bool = False,
    ) -> StreamInfo:
        loop = asyncio.get_running_loop()
        status = SourceStatus(StreamState.CONNECTING)
        chosen = sensitivity or self._settings.sensitivities.get(stream_id, self._settings.sensitivity)
        privacy = privacy or stream_id in self._private
        info = StreamInfo(stream_id, kind, url, status, time.time(), chosen, privacy=privacy)
        entry = _Entry(info, status)
        slot = self._engine.add_stream(stream_id)
        self._engine.set_rules(stream_id, chosen.rules)
        self._engine.record(stream_id, self._settings.recorded and not privacy)

        may_repeat = any(fnmatchcase(stream_id, pattern) for pattern in self._settings.may_repeat)

        def on_frame(frame: Frame) -> None:
            entry.frame_at_s = frame.received_at_s
            slot.put(replace(frame, may_repeat=True) if may_repeat else frame)

        def on_status(status: SourceStatus) -> None:
            if status.state is StreamState.LIVE:
                entry.frame_at_s = time.monotonic()  # its first frame comes next: do not count the time of connecting
            loop.call_soon_threadsafe(self._on_status, entry, status)

        try:
            entry.source = make(on_frame, on_status)
            entry.source.start()
        except BaseException:
            self._engine.remove_stream(stream_id)
            raise
        self._entries[stream_id] = entry
        if privacy:
            self._private.add(stream_id)
        self._publish(entry.info)
        if self._watchdog is None:
            self._watchdog = loop.create_task(self._watch(), name="stream-watchdog")
        return entry.info

    def _on_status(self, entry: _Entry, status: SourceStatus) -> None:
        if entry.removal is not None:
            return  # what was under way when it was removed
        entry.reported = status
        self._show(entry, status)
        if status.state is StreamState.ENDED:
            self._begin_removal(entry)

    def _show(self, entry: _Entry, status: SourceStatus) -> None:
        if entry.info.status != status:
            entry.info = replace(entry.info, status=status)
            if status.state is not StreamState.LIVE:
                entry.info = replace(entry.info, picture=None, picture_since=None, picture_same_as=None)
            self._log(entry)
            self._publish(entry.info)

    def _log(self, entry: _Entry) -> None:
        """One line when the state is another one: a camera that stays away is not a line for each attempt."""
        status = entry.info.status
        what = (status.state, status.error_kind)
        if status.state is StreamState.CONNECTING or what == entry.logged:
            return
        entry.logged = what
        level = logging.WARNING if status.error_kind is not None else logging.INFO
        log.log(
            level,
            "stream %s is %s%s",
            entry.info.stream_id,
            status.state,
            f": {status.message}" if status.message else "",
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.watchdog_s / 5)
            now = time.monotonic()
            for entry in self._entries.values():
                self._judge(entry, now)

    def _judge(self, entry: _Entry, now: float) -> None:
        """Show a live source without frames as stalled, and as live again when they come back."""
        if entry.removal is not None or entry.reported.state is not StreamState.LIVE:
            return
        status = entry.reported
        if now - entry.frame_at_s > self._settings.watchdog_s:
            status = replace(
                status,
                state=StreamState.STALLED,
                error_kind=SourceErrorKind.NO_MEDIA,
                message="connected, but no picture comes",
            )
        self._show(entry, status)

    def _begin_removal(self, entry: _Entry) -> asyncio.Task[None]:
        if entry.removal is None:
            name = f"remove-{entry.info.stream_id}"
            entry.removal = asyncio.get_running_loop().create_task(self._remove(entry), name=name)
        return entry.removal

    async def _remove(self, entry: _Entry) -> None:
        stream_id = entry.info.stream_id
        try:
            if entry.source is not None:
                await entry.source.stop()
        finally:
            self._engine.remove_stream(stream_id)
            self._entries.pop(stream_id, None)
            self._removed(stream_id)
