"""`/whip/{stream_id}`: browsers, OBS, GStreamer and FFmpeg publish video to us (WHIP, RFC 9725).

Any well-formed id that is free may be published, unless the settings name those that may. A session ends when its
publisher DELETEs it, leaves, or is silent for too long; its id is free again from then on. ICE restarts are not
supported (422). Which pages may publish is judged before a request comes here (`stream_server.web.security`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from analyzer.errors import ConflictError, DeepfakeMonitorError, NotFoundError
from stream_server.settings.schema import Settings
from stream_server.streams.registry import StreamRegistry
from stream_server.streams.sources.base import OnFrame, OnStatus
from stream_server.streams.sources.sdp_text import parse_fragment
from stream_server.streams.sources.webrtc import WebRTCSource
from stream_server.streams.sources.webrtc_sdp import Offer, parse_offer
from stream_server.streams.sources.webrtc_watch import IceServerConfig, WebRTCConfig
from stream_server.streams.stream import STREAM_ID
from stream_server.web.http_errors import error_response

log = logging.getLogger(__name__)

OFFER_TYPE: Final = "application/sdp"
FRAGMENT_TYPE: Final = "application/trickle-ice-sdpfrag"
MAX_BODY: Final = 64 * 1024
"""Bytes; a browser's offer with every codec and extension is under 10 KiB."""
BODY_TIMEOUT_S: Final = 10.0
RETRY_AFTER_S: Final = 5
"""Told to publishers when all places are taken."""

_ALL_METHODS: Final = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
_STATUS: Final[Mapping[str, int]] = {
    "bad_sdp": 400,
    "bad_id": 400,
    "not_found": 404,
    "no_common_codec": 406,
    "timeout": 408,
    "taken": 409,
    "precondition_failed": 412,
    "too_large": 413,
    "unsupported_media_type": 415,
    "no_video": 422,
    "ice_restart": 422,
    "precondition_required": 428,
    "overloaded": 503,
}


class _RefusedError(DeepfakeMonitorError):
    """Refused by this module; `code` names the status in `_STATUS`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class WhipConfig:
    """What operators may say about publishing."""

    webrtc: WebRTCConfig = field(default_factory=WebRTCConfig)
    max_peers: int = 16
    whip_ids: frozenset[str] | None = None
    """The ids that may be published; None: any well-formed one."""

    @classmethod
    def of(cls, settings: Settings) -> WhipConfig:
        webrtc = settings.webrtc
        servers = tuple(IceServerConfig(s.urls, s.username, s.credential) for s in webrtc.ice_servers)
        return cls(
            webrtc=WebRTCConfig(
                ice_servers=servers,
                connect_timeout_s=webrtc.connect_timeout_s,
                stalled_after_s=webrtc.no_frame_timeout_s,
                ended_after_s=webrtc.ended_after_s,
                start_bitrate_kbps=webrtc.start_bitrate_kbps,
            ),
            max_peers=webrtc.max_peers,
            whip_ids=frozenset(webrtc.whip_ids) or None,
        )


@dataclass(slots=True, eq=False)
class _Session:
    """One publisher."""

    source: WebRTCSource
    offer: Offer
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Last part of its address: who knows it may end the session."""
    etag: str = field(default_factory=lambda: f'"{secrets.token_hex(8)}"')
    """Names the ICE session (RFC 9725, section 4.3.1); it never changes, for there are no restarts."""


def whip_routes(config: WhipConfig, registry_of: Callable[[Request], StreamRegistry]) -> list[Route]:
    """The endpoint and its sessions, for one application."""
    whip = _Whip(config, registry_of)
    return [
        Route("/whip/{stream_id}", whip.endpoint, methods=_ALL_METHODS),
        Route("/whip/{stream_id}/{session}", whip.session, methods=_ALL_METHODS),
    ]


class _Whip:
    """The sessions of one application, by stream id. Event loop only."""

    def __init__(self, config: WhipConfig, registry_of: Callable[[Request], StreamRegistry]) -> None:
        self._config = config
        self._registry_of = registry_of
        self._sessions: dict[str, _Session] = {}
        self._links = _ice_links(config.webrtc.ice_servers)

    async def endpoint(self, request: Request) -> Response:
        return await _answer(request, {"POST": self._publish}, {"Accept-Post": OFFER_TYPE})

    async def session(self, request: Request) -> Response:
        methods = {"PATCH": self._trickle, "DELETE": self._delete}
        return await _answer(request, methods, {"Accept-Patch": FRAGMENT_TYPE})

    async def _publish(self, request: Request) -> Response:
        stream_id = request.path_params["stream_id"]
        registry = self._registry_of(request)
        self._admit(stream_id, registry)
        offer = parse_offer(await _text(request, OFFER_TYPE))
        session = self._open(stream_id, offer, registry)
        answered = False
        try:
            answer = await session.source.answer(offer)
            answered = True
        finally:
            if not answered:
                with suppress(NotFoundError):
                    await registry.remove(stream_id)
        path = f"{request.scope.get('root_path', '')}/whip/{stream_id}/{session.secret}"
        headers = {"Location": path, "ETag": session.etag, "Accept-Patch": FRAGMENT_TYPE}
        response = Response(answer, 201, headers, media_type=OFFER_TYPE)
        for link in self._links:
            response.headers.append("Link", link)
        return response

    def _admit(self, stream_id: str, registry: StreamRegistry) -> None:
        """Refuse what the registry would refuse, before a body is read."""
        if not STREAM_ID.fullmatch(stream_id):
            raise _RefusedError(
                "bad_id",
                "expected a stream id of 1 to 64 letters, digits, '.', '_' or '-' that begins with a letter or digit, "
                f"got {stream_id[:80]!r}",
            )
        if self._config.whip_ids is not None and stream_id not in self._config.whip_ids:
            raise NotFoundError(f"{stream_id!r} may not be published; webrtc.whip_ids in the settings lists what may")
        if any(info.stream_id == stream_id for info in registry.list()):
            raise ConflictError(f"there is already a stream {stream_id!r}: end it first or choose another id")
        if len(self._sessions) >= self._config.max_peers:
            raise _RefusedError("overloaded", f"all {self._config.max_peers} places for publishers are taken")

    def _open(self, stream_id: str, offer: Offer, registry: StreamRegistry) -> _Session:
        """Hand a new source to the registry, which owns it; the session is forgotten when the source is closed."""
        self._admit(stream_id, registry)  # again, for others came in while the body was read
        made: list[_Session] = []

        def forget() -> None:
            if made and self._sessions.get(stream_id) is made[0]:
                del self._sessions[stream_id]

        def make(on_frame: OnFrame, on_status: OnStatus) -> WebRTCSource:
            source = WebRTCSource(
                stream_id, self._config.webrtc, on_frame=on_frame, on_status=on_status, on_closed=forget
            )
            made.append(_Session(source, offer))
            return source

        registry.add_source(stream_id, WebRTCSource.kind, make)
        self._sessions[stream_id] = made[0]
        return made[0]

    async def _trickle(self, request: Request) -> Response:
        session = self._find(request)
        expected = request.headers.get("if-match")
        fragment = parse_fragment(await _text(request, FRAGMENT_TYPE))
        if expected is None:
            raise _RefusedError("precondition_required", "expected If-Match with the ETag of the session's answer")
        if fragment.ufrag not in (None, session.offer.ufrag):
            raise _RefusedError("ice_restart", "no ICE restarts here: DELETE the session and POST a new offer")
        if expected.strip() != "*" and session.etag not in [tag.strip() for tag in expected.split(",")]:
            raise _RefusedError("precondition_failed", "If-Match names another ICE session than this one")
        session.source.add_candidates(c for c in fragment.candidates if session.offer.carries(c.sdpMid))
        return Response(status_code=204, headers={"ETag": session.etag})

    async def _delete(self, request: Request) -> Response:
        self._find(request)
        with suppress(NotFoundError):  # it ended by itself just now
            await self._registry_of(request).remove(request.path_params["stream_id"])
        return Response(status_code=200)

    def _find(self, request: Request) -> _Session:
        session = self._sessions.get(request.path_params["stream_id"])
        secret = request.path_params["session"]
        if session is None or not secrets.compare_digest(session.secret.encode(), secret.encode()):
            raise NotFoundError("there is no such session; it may have ended")
        return session


async def _answer(
    request: Request, methods: Mapping[str, Callable[[Request], Awaitable[Response]]], accepts: Mapping[str, str]
) -> Response:
    """Dispatch on the method; RFC 9725 reserves the others (405). Our errors get their status here."""
    if request.method == "OPTIONS":
        return Response(status_code=200, headers={"Allow": ", ".join([*methods, "OPTIONS"]), **accepts})
    handler = methods.get(request.method)
    if handler is None:
        allow = {"Allow": ", ".join([*methods, "OPTIONS"])}
        return error_response(405, "method_not_allowed", f"expected {' or '.join(methods)} here", allow)
    try:
        return await handler(request)
    except DeepfakeMonitorError as error:
        status = _STATUS.get(error.code)
        if status is None:
            raise
        # not the path: it may end in a session's secret
        log.info("WHIP %s of %r refused: %s", request.method, request.path_params["stream_id"][:64], error)
        headers = dict(accepts) if status == 415 else {}
        if status == 503:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        if status in (408, 413):
            headers["Connection"] = "close"  # the rest of the body is not read
        return error_response(status, error.code, str(error), headers)


async def _text(request: Request, media_type: str) -> str:
    """The body as text; stops reading where it is too long or too slow."""
    came = request.headers.get("content-type", "")
    if came.partition(";")[0].strip().lower() != media_type:
        raise _RefusedError("unsupported_media_type", f"expected Content-Type {media_type}, got {came[:80]!r}")
    too_large = _RefusedError("too_large", f"expected at most {MAX_BODY} bytes of SDP")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > MAX_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_large
    except ClientDisconnect:
        raise _RefusedError("bad_sdp", "the publisher hung up before the body was complete") from None
    except TimeoutError:
        raise _RefusedError("timeout", f"the body did not come within {BODY_TIMEOUT_S:g} s") from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _RefusedError("bad_sdp", "expected SDP as UTF-8 text") from None


def _ice_links(servers: tuple[IceServerConfig, ...]) -> list[str]:
    """`Link` headers that tell a publisher our STUN and TURN servers (RFC 9725, section 4.6)."""
    links = []
    for server in servers:
        extra = ""
        if server.username is not None and server.credential is not None:
            username, credential = (
                text.replace("\\", r"\\").replace('"', r"\"") for text in (server.username, server.credential)
            )
            extra = f'; username="{username}"; credential="{credential}"; credential-type="password"'
        links += [f'<{url}>; rel="ice-server"{extra}' for url in server.urls]
    return links
