"""Makes the application: the only module that knows every part, and where analyzer threads meet the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware

from analyzer.datatypes import AnalyzerEvent, Observed, PictureState
from analyzer.engine.engine import Engine
from analyzer.errors import ConfigError, SourceError
from analyzer.faces.detector import FaceDetector, YuNetDetector
from analyzer.scorer import Scorer
from stream_server.about import NAME, VERSION
from stream_server.events.archive import Archive
from stream_server.live.clock import WallClock
from stream_server.live.feed import Feed
from stream_server.live.history import ScoreHistory
from stream_server.live.hub import Hub, Snapshot
from stream_server.live.messages import HelloMessage, ServerIdentity
from stream_server.notify.dispatcher import Dispatcher
from stream_server.notify.outbox import Outbox
from stream_server.notify.targets import RuleTargets, rule_targets
from stream_server.settings.schema import Settings
from stream_server.streams.registry import StreamRegistry
from stream_server.streams.sources.address import AddressRules, parse_address
from stream_server.streams.stream import StreamInfo
from stream_server.web.body_limit import BodyLimitMiddleware
from stream_server.web.card_in_use import card_in_use
from stream_server.web.http_errors import add_error_handlers
from stream_server.web.metrics import MonitorCollector, StatsReporter
from stream_server.web.monitor import Monitor, UploadDesk, the_monitor
from stream_server.web.routes import events, info, live, metrics, notifications, pages, predict, stored, streams, whip
from stream_server.web.security import SecurityMiddleware
from stream_server.web.upload import check_upload_folder

STATS_INTERVAL_S: Final = 2.0

_DESCRIPTION: Final = """Watches live video for deepfakes: webcams and cameras in, a score for every face out.

Live scores come over the websocket `/ws/live` (docs/websocket.md), webcams go in by WHIP at `/whip/{stream_id}`.
**REAL** means that no sign of manipulation was found, not that there is none."""


def create_app(
    settings: Settings,
    *,
    make_scorer: Callable[[], Scorer] | None = None,
    make_detector: Callable[[], FaceDetector] | None = None,
) -> FastAPI:
    """The whole monitor as one ASGI application; its threads run from the start of its lifespan to the end.

    `make_scorer` and `make_detector` make the heavy parts; by default the network of `settings.weights`, and YuNet.
    Raises `ConfigError` when the dashboard's files are missing, uploads cannot be written, a stream's address is none
    or a notification rule cannot be used, and `SourceError` for a stream that may not be opened. The lifespan raises
    what making the scorer raises, and `OverloadedError` for too many streams.
    """
    check_upload_folder(settings.server.upload_folder)
    _check_streams(settings)
    targets = _notification_targets(settings)
    analyzer = settings.analyzer.config()
    app = FastAPI(
        title="deepfake-monitor",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(
            settings,
            make_scorer or (lambda: _scorer_of(settings)),
            make_detector or (lambda: YuNetDetector(analyzer, settings.detector_engine)),
            targets,
        ),
    )
    for module in (info, predict, streams, events, stored, notifications, metrics, pages):
        app.include_router(module.router)
    whip_config = whip.WhipConfig.of(settings)
    whip_routes = whip.whip_routes(whip_config, lambda request: the_monitor(request).registry)
    app.router.routes.extend([*live.live_routes(), *whip_routes, pages.docs_assets()])
    app.router.default = pages.Dashboard(pages.static_folder())
    add_error_handlers(app)
    app.add_middleware(BodyLimitMiddleware)
    if settings.server.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.server.allowed_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Content-Type", "If-Match"],
            expose_headers=["Location", "ETag", "Link", "Accept-Patch"],
        )
    app.add_middleware(SecurityMiddleware, server=settings.server)
    return app


def _scorer_of(settings: Settings) -> Scorer:
    # Imported here: the server must be importable, and answer `--help`, without torch.
    from analyzer.model.net_scorer import make_scorer  # noqa: PLC0415

    return make_scorer(settings.weights, settings.device, settings.analyzer.config(), backend=settings.backend)


def _lifespan(
    settings: Settings,
    make_scorer: Callable[[], Scorer],
    make_detector: Callable[[], FaceDetector],
    targets: RuleTargets,
) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            monitor = await _start(settings, make_scorer, make_detector, targets, stack)
            app.state.monitor = monitor
            app.state.metrics = CollectorRegistry()
            app.state.metrics.register(MonitorCollector(monitor))
            await _add_streams(monitor)
            reporter = asyncio.create_task(StatsReporter(monitor).run(STATS_INTERVAL_S), name="stats")
            stack.push_async_callback(_cancel, reporter)
            yield

    return lifespan


async def _start(
    settings: Settings,
    make_scorer: Callable[[], Scorer],
    make_detector: Callable[[], FaceDetector],
    targets: RuleTargets,
    stack: AsyncExitStack,
) -> Monitor:
    """Start every part; `stack` ends them in reverse order: viewers, sources, uploads, then the engine."""
    loop = asyncio.get_running_loop()
    clock = WallClock()

    def emit(event: AnalyzerEvent) -> None:
        loop.call_soon_threadsafe(listeners.on_event, event)  # the one way from the analyzer's threads to the loop

    archive = await _open_archive(settings, clock, stack)
    notifier = _start_notifier(targets, archive, stack)
    engine = Engine(make_scorer=make_scorer, make_detector=make_detector, config=settings.analyzer.config(), emit=emit)
    # Loading the network takes seconds; the loop stays free, and a Ctrl-C meanwhile still ends what was started.
    stack.push_async_callback(asyncio.to_thread, engine.stop)
    await asyncio.to_thread(engine.start)

    def greet(snapshot: Snapshot) -> HelloMessage:
        return HelloMessage(
            server=ServerIdentity(name=NAME, version=VERSION),
            at=clock.now(),
            device=engine.info.device,
            model=engine.info.model,
            coverage=engine.info.coverage,
            streams=tuple(snapshot.streams.values()),
            faces=tuple(snapshot.faces.values()),
            scores=tuple(snapshot.scores.values()),
            verdicts=tuple(snapshot.verdicts.values()),
            alerts=tuple(snapshot.alerts.values()),
            stats=snapshot.stats,
            crop_scale=settings.analyzer.crop_scale,
        )

    hub = Hub(greet, engine.watch, settings.server.client_queue)
    history = ScoreHistory()
    feed = Feed(hub, history, clock)
    uploads = UploadDesk(settings.server.max_concurrent_uploads)
    stack.push_async_callback(uploads.close)
    listeners = _Listeners(feed, archive, clock)
    registry = StreamRegistry(
        engine,
        settings.sources.config(settings.alerts, settings.private_streams, recorded=settings.storage.enabled),
        listeners.on_stream,
        listeners.on_removed,
    )
    listeners.registry = registry
    if archive is not None and notifier is not None:
        await archive.begin(engine, registry, hub, notifier.publish)
        stack.push_async_callback(archive.end)
    stack.push_async_callback(registry.close)
    stack.callback(hub.close)
    return Monitor(
        settings=settings,
        engine=engine,
        make_detector=make_detector,
        hub=hub,
        feed=feed,
        history=history,
        registry=registry,
        uploads=uploads,
        clock=clock,
        archive=archive,
        notifier=notifier,
        card=card_in_use(settings.weights, engine.info),
    )


class _Listeners:
    """Everybody on the event loop who hears of the analyzer's events and of streams."""

    registry: StreamRegistry

    def __init__(self, feed: Feed, archive: Archive | None, clock: WallClock) -> None:
        self._feed = feed
        self._archive = archive
        self._clock = clock

    def on_event(self, event: AnalyzerEvent) -> None:
        match event:
            case PictureState():
                since = self._clock.unix(event.since_s)
                self.registry.show_picture(event.stream_id, event.trouble, since, event.same_as)
            case Observed():
                pass
            case _:
                self._feed.on_event(event)
        if self._archive is not None:
            self._archive.on_event(event)

    def on_stream(self, info: StreamInfo) -> None:
        self._feed.on_stream(info)
        if self._archive is not None:
            self._archive.on_stream(info)

    def on_removed(self, stream_id: str) -> None:
        self._feed.on_removed(stream_id)
        if self._archive is not None:
            self._archive.on_removed(stream_id)


async def _open_archive(settings: Settings, clock: WallClock, stack: AsyncExitStack) -> Archive | None:
    """What is kept; None where the settings say that nothing is. Raises `ConfigError` and `StoreError`."""
    if not settings.storage.enabled:
        return None
    archive = await asyncio.to_thread(Archive, settings.storage, clock)
    stack.push_async_callback(asyncio.to_thread, archive.close)
    await asyncio.to_thread(archive.open)
    return archive


def _notification_targets(settings: Settings) -> RuleTargets:
    """Raises `ConfigError` for a rule that cannot be used."""
    if settings.notifications.rules and not settings.storage.enabled:
        raise ConfigError("notifications tell of events, and without storage there are none: set storage.enabled")
    return rule_targets(settings.notifications, settings.server.public_url)


def _start_notifier(targets: RuleTargets, archive: Archive | None, stack: AsyncExitStack) -> Dispatcher | None:
    """Who tells of events; None where there are none. It ends before the store does, and after the recorder."""
    if archive is None:
        return None
    notifier = Dispatcher(targets, Outbox(archive.store.writer))
    stack.push_async_callback(asyncio.to_thread, notifier.stop)
    notifier.start()
    return notifier


def _check_streams(settings: Settings) -> None:
    """Judge the addresses of the settings before anything heavy is loaded, and name the stream that is wrong."""
    sources = settings.sources.config(settings.alerts)
    rules = AddressRules.of(sources.folders, sources.allow_networks, sources.deny_networks)
    for stream_id, entry in settings.streams.items():
        try:
            parse_address(entry.url, trusted=True, rules=rules)
        except ConfigError as error:
            raise ConfigError(f"stream {stream_id}: {error}") from error
        except SourceError as error:
            raise SourceError(error.kind, f"stream {stream_id}: {error}") from error


async def _add_streams(monitor: Monitor) -> None:
    """The streams of the settings, which are trusted, and those of the demo."""
    for stream_id, entry in monitor.settings.streams.items():
        monitor.registry.add_url(stream_id, entry.url, trusted=True, transport=entry.transport)
    if monitor.settings.demo:
        from stream_server.streams.demo import add_demo_streams, make_demo_clips  # noqa: PLC0415  # heavy, and only for this

        clips = await asyncio.to_thread(make_demo_clips)
        add_demo_streams(monitor.registry, clips)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
