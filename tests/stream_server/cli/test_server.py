from __future__ import annotations

import json
import socket
import sys
import urllib.request
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from stream_server.cli.server import PortError, address_of, listen, new_event_loop
from stream_server.settings.schema import ServerSettings, Settings
from tests.stream_server.app_of import served_app


def settings(host: str = "127.0.0.1", port: int = 0) -> Settings:
    return Settings(server=ServerSettings(host=host, port=port))


def test_it_serves_on_a_free_port() -> None:
    with served_app() as url, urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
        assert json.load(answer)["model"] == "fake"


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with listen(settings()) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(
            PortError, match=rf"127\.0\.0\.1:{port}: another program listens there; .*--port {port + 1}"
        ):
            listen(settings(port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "999.1.1.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(PortError, match=f"cannot listen on {host}"):
        listen(settings(host))


def test_the_address_is_one_that_a_browser_here_can_open() -> None:
    with listen(settings("0.0.0.0")) as bound:
        assert address_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_ipv6_addresses_stand_in_brackets() -> None:
    try:
        bound = listen(settings("::1"))
    except PortError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert address_of(bound).startswith("http://[::1]:")


def test_a_slow_client_that_only_connects_holds_nobody_up() -> None:
    with served_app() as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))), urllib.request.urlopen(f"{url}/info", timeout=30) as answer:
            assert answer.status == 200


def test_an_open_websocket_does_not_keep_the_server_from_stopping() -> None:
    with ExitStack() as stack:
        with served_app() as url:
            socket = stack.enter_context(connect(f"{url.replace('http', 'ws')}/ws/live"))
            assert json.loads(socket.recv())["type"] == "hello"
        with suppress(ConnectionClosed):  # 1012, "service restart", is what uvicorn says
            for _ in socket:
                pass
        assert socket.close_code in (1001, 1012)


def test_the_event_loop_is_uvloops_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvloop")  # there is none for Windows
    loops = [new_event_loop()]
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "uvloop", None)  # as if it were not installed
        loops.append(new_event_loop())
    assert [type(loop).__module__.partition(".")[0] for loop in loops] == ["uvloop", "asyncio"]
    for loop in loops:
        loop.close()
