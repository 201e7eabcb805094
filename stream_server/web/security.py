"""What every request passes first: the Host it asks for, the page it comes from, the headers that go back.

A monitor on 127.0.0.1 has no password, so any page in the operator's browser could reach it. Two checks stop that: the
`Host` must be one of ours (a foreign name that resolves to 127.0.0.1, "DNS rebinding", is refused), and a request that
changes something, or opens a websocket, from a page of another origin is refused. Programs send no `Origin` and pass.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from stream_server.settings.schema import ServerSettings
from stream_server.web.http_errors import error_response

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

DASHBOARD_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; connect-src 'self'"
)
"""Our own files only; pictures and the webcam's preview are blobs. Ends with `connect-src`, for `_dashboard_policy`."""

DOCS_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Swagger UI and ReDoc start from an inline script; they too load local files only."""

# RFC 9110, section 7.2: no user name, unlike in a URL
_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]*)?")

_DOCS_PATHS: Final = ("/docs", "/redoc")


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(authority: str) -> str:
    """The name in a `Host` header, lower case, without port and brackets; empty when malformed."""
    match = _AUTHORITY.fullmatch(authority)
    return (match[1] or match[2]).lower() if match else ""


def allowed_hosts(server: ServerSettings) -> frozenset[str] | None:
    """Names that a `Host` header may hold; None for all."""
    if not is_loopback(server.host) and not server.allowed_hosts:
        return None
    names = {"localhost", "127.0.0.1", "::1", server.host.strip("[]").lower()}
    return frozenset(names | {host_name(name) for name in server.allowed_hosts})


def same_site(headers: Headers, allowed_origins: tuple[str, ...]) -> bool:
    """Whether a request comes from a program (no `Origin`), from our own page, or from an allowed origin."""
    origin = headers.get("origin")
    if origin is None:
        return True
    origin = origin.lower()
    return origin in allowed_origins or urlsplit(origin).netloc == headers.get("host", "").lower() != ""


def _dashboard_policy(host: str) -> str:
    """Names our own websockets: 'self' leaves them out in some browsers (CSP 2 compared the scheme, too)."""
    return f"{DASHBOARD_POLICY} ws://{host} wss://{host}" if _AUTHORITY.fullmatch(host) else DASHBOARD_POLICY


class SecurityMiddleware:
    """Refuses foreign hosts (400) and foreign pages (403), and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, server: ServerSettings) -> None:
        self._app = app
        self._hosts = allowed_hosts(server)
        self._origins = server.allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, self._with_headers(scope, send))
            return
        status, code, message = refusal
        response = error_response(status, code, message)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, self._with_headers(scope, send))

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        if self._hosts is not None and host_name(headers.get("host", "")) not in self._hosts:
            message = (
                "This server does not answer to that Host; use 127.0.0.1, or add the name to server.allowed_hosts."
            )
            return 400, "bad_host", message
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and not same_site(headers, self._origins):
            message = "Pages of that origin may not use this server; add it to server.allowed_origins to let them."
            return 403, "forbidden_origin", message
        return None

    @staticmethod
    def _with_headers(scope: Scope, send: Send) -> Send:
        if scope["type"] != "http":
            return send
        if scope["path"].startswith(_DOCS_PATHS):
            policy = DOCS_POLICY
        else:
            policy = _dashboard_policy(Headers(scope=scope).get("host", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")  # no <img> of another page either
                headers.setdefault("Permissions-Policy", "camera=(self), microphone=()")
            await send(message)

        return send_with_headers
