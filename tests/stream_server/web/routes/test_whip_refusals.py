"""What `/whip` refuses, and how."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import aioice.ice
import httpx
import pytest

from stream_server.app import create_app
from stream_server.settings.schema import ServerSettings, Settings
from stream_server.web.routes import whip
from tests.whip_site import OFFER, SDP, TRICKLE, Site, a_site, refused


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as site:
        yield site


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *_, **__: ["127.0.0.1"])


@pytest.mark.parametrize("name", ["-a", "a" * 65, "a%20b", "%C3%A9", "..%2e", "a%0Ab"])
async def test_a_bad_id_is_refused(site: Site, name: str) -> None:
    refused(await site.client.post(f"/whip/{name}", content=OFFER, headers=SDP), 400, "bad_id")


@pytest.mark.parametrize(
    ("offer", "status", "code"),
    [
        pytest.param("", 400, "bad_sdp", id="empty"),
        pytest.param("hello", 400, "bad_sdp", id="text"),
        pytest.param(b"v=0\r\n\xff\xfe", 400, "bad_sdp", id="not UTF-8"),
        pytest.param(OFFER.replace("video", "audio"), 422, "no_video", id="no video"),
        pytest.param(OFFER.replace("VP8", "VP9"), 406, "no_common_codec", id="VP9"),
        pytest.param(OFFER.replace("VP8", "AV1"), 406, "no_common_codec", id="AV1"),
        pytest.param(OFFER.replace("ice-ufrag", "x"), 400, "bad_sdp", id="no ICE"),
    ],
)
async def test_an_offer_that_cannot_be_taken_is_refused_with_a_reason(
    site: Site, offer: str | bytes, status: int, code: str
) -> None:
    assert len(refused(await site.client.post("/whip/cam", content=offer, headers=SDP), status, code)) > 20
    assert site.told == []  # nobody was shown a stream that never was


async def test_another_content_type_is_refused(site: Site) -> None:
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": ""}):
        response = await site.client.post("/whip/cam", content=OFFER, headers=headers)
        refused(response, 415, "unsupported_media_type")
        assert response.headers["accept-post"] == "application/sdp"
    parameter = {"Content-Type": "Application/SDP; charset=utf-8"}
    assert (await site.client.post("/whip/cam", content=OFFER, headers=parameter)).status_code == 201


async def test_a_megabyte_of_sdp_is_refused_unread(site: Site) -> None:
    text = OFFER + "a=x:" + "y" * 1_000_000
    response = await site.client.post("/whip/cam", content=text, headers=SDP)
    refused(response, 413, "too_large")
    assert response.headers["connection"] == "close"


async def test_an_endless_body_is_cut_off(site: Site) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"a=x:y\r\n" * 1000

    refused(await site.client.post("/whip/cam", content=endless(), headers=SDP), 413, "too_large")
    assert given <= 1 + 64 * 1024 // 7000 + 1


async def test_a_body_that_never_ends_times_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whip, "BODY_TIMEOUT_S", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"v=0\r\n"
        await asyncio.Event().wait()

    refused(await site.client.post("/whip/cam", content=stuck(), headers=SDP), 408, "timeout")


async def test_what_aiortc_cannot_follow_frees_the_id(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise ValueError("not today")

    with monkeypatch.context() as patched:
        patched.setattr("aiortc.RTCPeerConnection.setRemoteDescription", refuse)
        assert "not today" in refused(await site.client.post("/whip/cam", content=OFFER, headers=SDP), 400, "bad_sdp")
    assert site.ids == []
    assert (await site.client.post("/whip/cam", content=OFFER, headers=SDP)).status_code == 201


async def test_no_log_line_holds_the_secret_of_a_session(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stream_server")
    session = (await site.client.post("/whip/cam", content=OFFER, headers=SDP)).headers["location"]
    refused(await site.client.patch(session, content="hello", headers={**TRICKLE, "If-Match": "*"}), 400, "bad_sdp")
    assert "cam" in caplog.text
    assert session.rpartition("/")[2] not in caplog.text


async def test_the_reserved_methods_are_refused(site: Site) -> None:
    session = (await site.client.post("/whip/cam", content=OFFER, headers=SDP)).headers["location"]
    for method, path, allow in [
        *((method, "/whip/cam", "POST, OPTIONS") for method in ("GET", "PUT", "PATCH", "DELETE")),
        *((method, session, "PATCH, DELETE, OPTIONS") for method in ("GET", "PUT", "POST")),
    ]:
        response = await site.client.request(method, path)
        refused(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allow
    assert (await site.client.head("/whip/cam")).status_code == 405


async def test_options_tell_what_is_accepted(site: Site) -> None:
    endpoint = await site.client.options("/whip/cam")
    assert (endpoint.status_code, endpoint.headers["accept-post"]) == (200, "application/sdp")
    session = await site.client.options("/whip/cam/x")
    assert (session.status_code, session.headers["accept-patch"]) == (200, "application/trickle-ice-sdpfrag")


async def test_a_foreign_page_may_not_publish() -> None:
    allowed = ServerSettings(allowed_origins=("https://friend.example",))
    async with a_site(server=allowed) as site:
        for origin, status in [
            ("https://evil.example", 403),
            ("null", 403),
            ("http://127.0.0.1", 201),
            ("https://friend.example", 201),
        ]:
            name = origin.rpartition("/")[2]
            response = await site.client.post(f"/whip/{name}", content=OFFER, headers={**SDP, "Origin": origin})
            assert response.status_code == status, origin


async def test_pages_of_allowed_origins_are_shown_what_they_need_of_the_answer() -> None:
    app = create_app(Settings(server=ServerSettings(allowed_origins=("https://friend.example",))))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        ask = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "content-type,if-match"}
        preflight = await client.options("/whip/cam/x", headers={"Origin": "https://friend.example", **ask})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://friend.example"
        simple = await client.get("/whip/cam", headers={"Origin": "https://friend.example"})
        assert {"Location", "ETag", "Link"} <= set(simple.headers["access-control-expose-headers"].split(", "))
        foreign = await client.options("/whip/cam/x", headers={"Origin": "https://evil.example", **ask})
        assert "access-control-allow-origin" not in foreign.headers
