from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from stream_server.settings.schema import ServerSettings
from stream_server.web.security import SecurityMiddleware, allowed_hosts, host_name, is_loopback

WS = "ws://127.0.0.1:8000/ws"


def a_client(server: ServerSettings | None = None, base_url: str = "http://127.0.0.1:8000") -> TestClient:
    def page(request: Request) -> Response:
        return PlainTextResponse(request.method)

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    methods = ["GET", "POST", "PATCH", "DELETE"]
    app = Starlette(
        routes=[Route("/", page, methods=methods), Route("/docs", page), WebSocketRoute("/ws", socket)],
    )
    app.add_middleware(SecurityMiddleware, server=server or ServerSettings())
    return TestClient(app, base_url=base_url)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "localhost", "[::1]:8000", "LOCALHOST"])
def test_our_own_names_are_served(host: str) -> None:
    assert a_client().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "192.168.1.9:8000", "[::2]", "[", "a@127.0.0.1:x", "127.0.0.2"],
)
def test_a_foreign_name_that_leads_to_loopback_is_refused(host: str) -> None:
    answer = a_client().get("/", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_host"


def test_names_that_the_operator_added_are_served() -> None:
    client = a_client(ServerSettings(allowed_hosts=("monitor.local", "other:9000")))
    assert client.get("/", headers={"Host": "Monitor.Local:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "other"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_server_for_the_whole_network_answers_to_every_name_unless_told_otherwise() -> None:
    assert allowed_hosts(ServerSettings(host="0.0.0.0")) is None
    assert allowed_hosts(ServerSettings(host="0.0.0.0", allowed_hosts=("m.example",))) is not None


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8000", "", "127.0.0.1:8000"]
)
def test_a_page_of_another_origin_may_not_change_anything(method: str, origin: str) -> None:
    answer = a_client().request(method, "/", headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden_origin"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_our_own_page_allowed_pages_and_programs_may(method: str) -> None:
    client = a_client(ServerSettings(allowed_origins=("https://monitor.example",)))
    for headers in ({}, {"Origin": "http://127.0.0.1:8000"}, {"Origin": "https://Monitor.example"}):
        assert client.request(method, "/", headers=headers).status_code == 200


def test_our_own_page_behind_a_proxy_with_tls_may() -> None:
    client = a_client(ServerSettings(host="0.0.0.0"), base_url="http://monitor.example")
    assert client.post("/", headers={"Origin": "https://monitor.example"}).status_code == 200


def test_a_websocket_from_another_page_is_refused_before_it_opens() -> None:
    client = a_client()
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        client.websocket_connect(WS, headers={"Origin": "http://x.y"}),
    ):
        pass
    assert caught.value.status_code == 403
    with client.websocket_connect(WS, headers={"Origin": "http://127.0.0.1:8000"}):
        pass
    with client.websocket_connect(WS):
        pass


def test_every_answer_has_the_security_headers() -> None:
    for answer in (a_client().get("/"), a_client().get("/nope"), a_client().get("/", headers={"Host": "evil"})):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_dashboard_may_open_websockets_to_its_own_server_alone() -> None:
    policy = a_client().get("/").headers["Content-Security-Policy"]
    assert policy.endswith("connect-src 'self' ws://127.0.0.1:8000 wss://127.0.0.1:8000")
    hostile = a_client(ServerSettings(host="0.0.0.0")).get("/", headers={"Host": "a.b; script-src *"})
    assert hostile.headers["Content-Security-Policy"].endswith("connect-src 'self'")


def test_only_the_documentation_may_run_inline_scripts() -> None:
    assert "script-src 'self' 'unsafe-inline'" in a_client().get("/docs").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
     ("192.168.0.1", False), ("monitor.example", False), ("", False)],
)  # fmt: skip
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_malformed_host_header_has_no_name() -> None:
    assert [host_name(text) for text in ("[", "", "http://x:y", "a:b:c")] == ["", "", "", ""]
