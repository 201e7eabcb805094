"""A publisher's session from its offer to its end; refusals stand in test_whip_refusals.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aioice.ice
import httpx
import pytest

from stream_server.settings.schema import IceServer, Settings, WebRTCSettings
from stream_server.streams.sources.base import StreamState
from stream_server.streams.sources.webrtc_watch import IceServerConfig, WebRTCConfig
from stream_server.web.routes import whip
from stream_server.web.routes.whip import WhipConfig
from tests.whip_client import Codec, WhipError, WhipPublisher, face_clip
from tests.whip_site import OFFER, SDP, TRICKLE, Site, a_site, refused, until


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as site:
        yield site


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *_, **__: ["127.0.0.1"])


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_publishers_video_reaches_the_engine_until_it_ends_the_session(site: Site, codec: Codec) -> None:
    async with WhipPublisher(site.client, "/whip/webcam", face_clip(codec), audio=True) as publisher:
        assert publisher.session_url is not None
        assert publisher.session_url.startswith("http://127.0.0.1/whip/webcam/")
        await until(lambda: site.frames("webcam") >= 5, "frames")
        info = site.registry.get("webcam")
        assert (info.kind, info.url, info.status.state, info.status.codec) == ("webrtc", None, StreamState.LIVE, codec)
        newest = site.slots.of["webcam"].newest
        assert newest is not None
        assert (newest.video_frame.width, newest.video_frame.height) == (640, 480)
        assert await publisher.end() == 200
        assert site.ids == []
        assert site.removed == ["webcam"]
        assert await publisher.end() == 404
    async with WhipPublisher(site.client, "/whip/webcam", face_clip(codec)):  # the id is free again
        await until(lambda: site.frames("webcam") >= 1, "frames of the second publisher")


async def test_a_created_session_says_all_that_the_standard_wants(site: Site) -> None:
    response = await site.client.post("/whip/cam", content=OFFER, headers=SDP)
    assert response.status_code == 201
    assert response.headers["content-type"].startswith("application/sdp")
    assert response.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    assert response.headers["etag"].startswith('"')
    path, secret = response.headers["location"].rsplit("/", 1)
    assert path == "/whip/cam"
    assert len(secret) >= 32
    assert "link" not in response.headers
    assert "m=video" in response.text
    assert "a=recvonly" in response.text


async def test_ice_servers_are_told_in_link_headers() -> None:
    stun = IceServerConfig(("stun:127.0.0.1:9",))
    turn = IceServerConfig(("turn:127.0.0.1:9?transport=udp",), 'us"er', "secret")
    links = whip._ice_links((stun, turn))
    assert links == [
        '<stun:127.0.0.1:9>; rel="ice-server"',
        '<turn:127.0.0.1:9?transport=udp>; rel="ice-server"; username="us\\"er"; credential="secret"; '
        'credential-type="password"',
    ]


async def test_settings_become_the_config() -> None:
    webrtc = WebRTCSettings(
        ice_servers=(IceServer(urls=("stun:s:1",)),),
        max_peers=3,
        whip_ids=("door",),
        no_frame_timeout_s=7,
        connect_timeout_s=20,
        ended_after_s=30,
        start_bitrate_kbps=None,
    )
    config = WhipConfig.of(Settings(webrtc=webrtc))
    assert config.webrtc == WebRTCConfig((IceServerConfig(("stun:s:1",)),), 20, 7, 30, None)
    assert config.whip_ids == frozenset({"door"})
    assert config.max_peers == 3
    assert WhipConfig.of(Settings()).whip_ids is None


async def test_a_publisher_that_leaves_without_a_word_frees_its_id(site: Site) -> None:
    publisher = WhipPublisher(site.client, "/whip/cam", face_clip("vp8"))
    await publisher.publish()
    await until(lambda: site.frames("cam") >= 1, "frames")
    await publisher.close()
    await until(lambda: site.ids == [], "the stream to be removed")
    assert [i.status.state for i in site.told][-1] is StreamState.ENDED
    assert await publisher.end() == 404


async def test_a_publisher_that_falls_silent_is_ended_and_may_come_back() -> None:
    config = WhipConfig(webrtc=WebRTCConfig(stalled_after_s=0.3, ended_after_s=0.8))
    async with a_site(config) as site, WhipPublisher(site.client, "/whip/cam", face_clip("vp8")) as publisher:
        await until(lambda: site.frames("cam") >= 1, "frames")
        publisher.media_track.pause()
        await until(lambda: site.ids == [], "the stream to be removed")
        async with WhipPublisher(site.client, "/whip/cam", face_clip("vp8")):
            await until(lambda: site.frames("cam") >= 1, "frames again")
        assert StreamState.STALLED in [i.status.state for i in site.told]


async def test_a_stream_that_the_operator_removed_takes_its_session_along(site: Site) -> None:
    async with WhipPublisher(site.client, "/whip/cam", face_clip("vp8")) as publisher:
        await until(lambda: site.frames("cam") >= 1, "frames")
        await site.registry.remove("cam")
        assert await publisher.end() == 404


async def test_a_taken_id_is_refused_and_the_first_publisher_goes_on(site: Site) -> None:
    async with WhipPublisher(site.client, "/whip/cam", face_clip("vp8")):
        await until(lambda: site.frames("cam") >= 1, "frames")
        second = WhipPublisher(site.client, "/whip/cam", face_clip("vp8"))
        with pytest.raises(WhipError) as error:
            await second.publish()
        await second.close()
        refused(error.value.response, 409, "taken")
        before = site.frames("cam")
        await until(lambda: site.frames("cam") > before, "more frames of the first")


async def test_of_two_at_the_same_moment_one_gets_the_id(site: Site) -> None:
    answers = await asyncio.gather(*(site.client.post("/whip/cam", content=OFFER, headers=SDP) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409]


async def test_too_many_publishers_are_told_to_come_later() -> None:
    async with a_site(WhipConfig(max_peers=2)) as site:
        for name in ("a", "b"):
            assert (await site.client.post(f"/whip/{name}", content=OFFER, headers=SDP)).status_code == 201
        response = await site.client.post("/whip/c", content=OFFER, headers=SDP)
        refused(response, 503, "overloaded")
        assert int(response.headers["retry-after"]) > 0
        assert site.ids == ["a", "b"]


async def test_only_listed_ids_may_be_published_where_there_is_a_list() -> None:
    async with a_site(WhipConfig(whip_ids=frozenset({"door"}))) as site:
        refused(await site.client.post("/whip/window", content=OFFER, headers=SDP), 404, "not_found")
        assert (await site.client.post("/whip/door", content=OFFER, headers=SDP)).status_code == 201


class TestTrickle:
    candidate = "a=ice-ufrag:abcd\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"

    @pytest.fixture
    async def session(self, site: Site) -> httpx.Response:
        return await site.client.post("/whip/cam", content=OFFER, headers=SDP)

    async def test_candidates_are_taken(self, site: Site, session: httpx.Response) -> None:
        for match in (session.headers["etag"], f'"other", {session.headers["etag"]}', "*"):
            headers = {**TRICKLE, "If-Match": match}
            response = await site.client.patch(session.headers["location"], content=self.candidate, headers=headers)
            assert (response.status_code, response.content) == (204, b"")

    async def test_a_connection_comes_about_by_trickled_candidates_alone(self, site: Site) -> None:
        publisher = WhipPublisher(site.client, "/whip/late", face_clip("vp8"))
        try:
            lines = (await publisher.offer()).splitlines()
            trickled = [line for line in lines if line.startswith(("a=candidate", "a=end-of"))]
            bare = "\r\n".join(line for line in lines if line not in trickled) + "\r\n"
            created = await site.client.post("/whip/late", content=bare, headers=SDP)
            await publisher.accept(created)
            fragment = "m=video 9 RTP/AVP 0\r\na=mid:0\r\n" + "\r\n".join(trickled) + "\r\n"
            headers = {**TRICKLE, "If-Match": publisher.etag}
            patched = await site.client.patch(created.headers["location"], content=fragment, headers=headers)
            assert patched.status_code == 204
            await until(lambda: site.frames("late") >= 1, "frames")
        finally:
            await publisher.close()

    @pytest.mark.parametrize(
        ("match", "content", "status", "code"),
        [
            pytest.param(None, candidate, 428, "precondition_required", id="no If-Match"),
            pytest.param('"other"', candidate, 412, "precondition_failed", id="another ETag"),
            pytest.param("*", candidate.replace("abcd", "efgh"), 422, "ice_restart", id="ICE restart"),
            pytest.param("*", "hello", 400, "bad_sdp", id="no fragment"),
            pytest.param("*", "a=candidate:" + "9" * 70_000, 413, "too_large", id="too large"),
        ],
    )
    async def test_what_cannot_be_done_is_refused(
        self, site: Site, session: httpx.Response, match: str | None, content: str, status: int, code: str
    ) -> None:
        headers = {**TRICKLE, **({"If-Match": match} if match else {})}
        response = await site.client.patch(session.headers["location"], content=content, headers=headers)
        refused(response, status, code)
        assert site.ids == ["cam"]

    async def test_another_content_type_is_refused(self, site: Site, session: httpx.Response) -> None:
        headers = {**SDP, "If-Match": "*"}
        response = await site.client.patch(session.headers["location"], content=self.candidate, headers=headers)
        refused(response, 415, "unsupported_media_type")

    async def test_another_session_is_unknown(self, site: Site, session: httpx.Response) -> None:
        for path in ("/whip/cam/guessed", "/whip/other/x", "/whip/cam/%C3%A9"):
            headers = {**TRICKLE, "If-Match": "*"}
            refused(await site.client.patch(path, content=self.candidate, headers=headers), 404, "not_found")
            refused(await site.client.delete(path), 404, "not_found")
        assert site.ids == ["cam"]
