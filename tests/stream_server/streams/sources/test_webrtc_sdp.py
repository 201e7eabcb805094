from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.errors import DeepfakeMonitorError
from stream_server.streams.sources.sdp_text import BadSdpError, parse_fragment
from stream_server.streams.sources.webrtc_sdp import NoCodecError, NoVideoError, Offer, parse_offer

FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["4B"] * 32)
TRANSPORT = ["a=ice-ufrag:OtB8", "a=ice-pwd:Og0NnUQwiGlmZTCZHBq4WJhK", "a=ice-options:trickle", FINGERPRINT]
CHROME = "\r\n".join(
    [
        "v=0",
        "o=- 6131408157120131446 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS stream",
        "m=audio 53401 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
        "c=IN IP4 192.0.2.7",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2122260223 192.0.2.7 53401 typ host generation 0 network-id 1 network-cost 10",
        "a=candidate:2 1 udp 2122194687 8a37e5c4-2f7c-4c3f-9d50-8a30f7f0e1aa.local 60000 typ host generation 0",
        "a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active generation 0",
        *TRANSPORT,
        "a=setup:actpass",
        "a=mid:0",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 39 40 45 46 98 99 102 103 106 107 116 117 118",
        "c=IN IP4 0.0.0.0",
        *TRANSPORT,
        "a=setup:actpass",
        "a=mid:1",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=sendonly",
        "a=msid:stream 7b5b",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 goog-remb",
        "a=rtcp-fb:96 transport-cc",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:39 H264/90000",
        "a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f",
        "a=rtpmap:45 AV1/90000",
        "a=rtpmap:98 VP9/90000",
        "a=fmtp:98 profile-id=0",
        "a=rtpmap:102 H264/90000",
        "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
        "a=rtpmap:103 rtx/90000",
        "a=fmtp:103 apt=102",
        "a=rtpmap:106 H264/90000",
        "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
        "a=rtpmap:107 rtx/90000",
        "a=fmtp:107 apt=106",
        "a=rtpmap:116 red/90000",
        "a=rtpmap:117 rtx/90000",
        "a=fmtp:117 apt=116",
        "a=rtpmap:118 ulpfec/90000",
        "a=rid:h send",
        "a=rid:l send",
        "a=simulcast:send h;l",
        "a=ssrc-group:FID 3735928559 1",
        "a=ssrc:3735928559 cname:x",
        "a=ssrc:1 cname:x",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        *TRANSPORT,
        "a=setup:actpass",
        "a=mid:2",
        "a=sctp-port:5000",
        "",
    ]
)
"""As Chromium writes it, shortened, with what it may hold: audio, simulcast, seven codecs, a data channel."""


def an_offer(*codec_lines: str, formats: str = "96", direction: str = "a=sendonly", more: str = "") -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", f"m=video 9 UDP/TLS/RTP/SAVPF {formats}", "a=mid:v"]
    lines += [direction, "a=rtcp-mux", "a=setup:actpass", *TRANSPORT, *(codec_lines or ("a=rtpmap:96 VP8/90000",))]
    return "\r\n".join(lines) + "\r\n" + more


async def answered(offer: Offer, start_bitrate_kbps: int | None = 1000) -> str:
    """Our answer, with aiortc in between."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        await peer.setRemoteDescription(RTCSessionDescription(offer.for_aiortc, "offer"))
        await peer.setLocalDescription()
        return offer.answer(peer.localDescription.sdp, start_bitrate_kbps)
    finally:
        await peer.close()


def sections(sdp: str) -> list[list[str]]:
    return [part.splitlines() for part in sdp.split("\r\nm=")]


def test_the_video_of_a_browsers_offer_is_found() -> None:
    offer = parse_offer(CHROME)
    assert offer.video == 1
    # no AV1, VP9, red, nor the low payload types that aiortc cannot answer with
    assert offer.codecs == ("96", "102", "106", "97", "103", "107")
    assert offer.ufrag == "OtB8"
    assert [(c.ip, c.port) for c in offer.candidates] == [
        ("192.0.2.7", 53401),
        ("8a37e5c4-2f7c-4c3f-9d50-8a30f7f0e1aa.local", 60000),
    ]
    (media,) = SessionDescription.parse(offer.for_aiortc).media
    assert [ssrc.ssrc for ssrc in media.ssrc] == [3735928559, 1]
    assert not media.ice_candidates


@pytest.mark.parametrize(("mid", "carried"), [("0", True), ("1", True), (None, True), ("9", False)])
def test_candidates_of_the_bundle_belong_to_the_video(mid: str | None, carried: bool) -> None:
    assert parse_offer(CHROME).carries(mid) is carried


async def test_every_section_is_answered_in_its_place() -> None:
    head, audio, video, data = sections(await answered(parse_offer(CHROME)))
    assert "a=group:BUNDLE 0 1" in head  # not the data channel
    assert audio[0].startswith("audio ")
    assert not audio[0].startswith("audio 0")
    assert audio[0].endswith(" 111")
    assert {"a=inactive", "a=mid:0", "a=rtcp-mux", "a=setup:active", "a=rtpmap:111 opus/48000/2"} <= set(audio)
    assert {"a=recvonly", "a=mid:1", "a=rtcp-mux", "a=setup:active"} <= set(video)
    assert [line for line in audio if "ice-" in line] == [line for line in video if "ice-" in line]
    assert data == ["application 0 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=inactive", "a=mid:2"]


async def test_the_answer_keeps_the_offered_parameters_and_adds_a_start_bitrate() -> None:
    video = sections(await answered(parse_offer(CHROME)))[2]
    high = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f;x-google-start-bitrate=1000"
    assert f"a=fmtp:102 {high}" in video
    assert "a=fmtp:96 x-google-start-bitrate=1000" in video
    assert "a=fmtp:97 apt=96" in video
    assert not any(line.startswith(("a=rid", "a=simulcast", "a=ssrc", "a=msid")) for line in video)
    plain = await answered(parse_offer(CHROME), None)
    assert "x-google" not in plain


async def test_a_browser_can_read_the_answer() -> None:
    offering, answer = RTCPeerConnection(RTCConfiguration(iceServers=[])), ""
    try:
        offering.addTransceiver("audio", "sendonly")
        offering.addTransceiver("video", "sendonly")
        offering.createDataChannel("chat")
        await offering.setLocalDescription()
        answer = await answered(parse_offer(offering.localDescription.sdp))
    finally:
        await offering.close()
    parsed = SessionDescription.parse(answer)
    assert [(m.kind, m.direction, m.port > 0) for m in parsed.media] == [
        ("audio", "inactive", True),
        ("video", "recvonly", True),
        ("application", "inactive", False),
    ]


async def test_a_bundle_only_section_takes_its_transport_from_the_first() -> None:
    bare = [line for line in an_offer().splitlines() if line not in TRANSPORT and not line.startswith("a=setup")]
    bare = [line.replace("m=video 9", "m=video 0") for line in bare if line != "a=rtcp-mux"] + ["a=bundle-only"]
    first = ["m=audio 9 UDP/TLS/RTP/SAVPF 8", "a=mid:a", "a=rtcp-mux", "a=setup:actpass", "a=rtpmap:8 PCMA/8000"]
    text = "\r\n".join([*bare[:4], "a=group:BUNDLE a v", *first, *TRANSPORT, *bare[4:]])
    answer = sections(await answered(parse_offer(text)))
    assert answer[1][0].endswith(" 8")
    assert "a=recvonly" in answer[2]


async def test_audio_with_a_transport_of_its_own_is_rejected() -> None:
    more = "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=mid:a\r\na=rtpmap:8 PCMA/8000\r\n"
    _, video, audio = sections(await answered(parse_offer(an_offer(more=more))))
    assert video[0].startswith("video ")
    assert audio[0] == "audio 0 UDP/TLS/RTP/SAVPF 8"


@pytest.mark.parametrize(
    "codec",
    [
        pytest.param(("a=rtpmap:96 H264/90000",), id="no parameters at all"),
        pytest.param(("a=rtpmap:96 h264/90000", "a=fmtp:96 packetization-mode=1;profile-level-id=640032"), id="high"),
        pytest.param(("a=rtpmap:96 H264/90000", "a=fmtp:96 profile-level-id=zzzz"), id="nonsense profile"),
        pytest.param(("a=rtpmap:96 vp8/90000",), id="lower case"),
    ],
)
async def test_any_form_of_our_codecs_is_taken(codec: tuple[str, ...]) -> None:
    assert "a=recvonly" in await answered(parse_offer(an_offer(*codec)))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param("", BadSdpError, "v=0", id="empty"),
        pytest.param("hello", BadSdpError, "v=0", id="text"),
        pytest.param("v=0\r\ns=-\r\n", BadSdpError, "no m= line", id="no section"),
        pytest.param("v=0\nnot a line", BadSdpError, "line 2", id="no SDP line"),
        pytest.param("v=0\nm=video x", BadSdpError, "line 2", id="broken media line"),
        pytest.param("v=0\n" + "m=audio 9 RTP/SAVPF 0\n" * 40, BadSdpError, "at most 32", id="40 sections"),
        pytest.param(an_offer().replace("a=ice-pwd", "a=x"), BadSdpError, "ice-pwd", id="no ICE password"),
        pytest.param(an_offer().replace("OtB8", "O"), BadSdpError, "ice-ufrag", id="short ICE name"),
        pytest.param(an_offer().replace("sha-256", "md5"), BadSdpError, "fingerprint", id="weak fingerprint"),
        pytest.param(an_offer().replace("actpass", "holdconn"), BadSdpError, "setup", id="setup"),
        pytest.param(an_offer().replace("rtcp-mux", "x"), BadSdpError, "rtcp-mux", id="RTCP on a port of its own"),
        pytest.param(an_offer().replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), BadSdpError, "encrypted", id="unencrypted"),
        pytest.param(an_offer(more="m=audio 9 RTP/SAVPF 0\na=mid:v\n"), BadSdpError, "mid", id="one mid twice"),
        pytest.param("v=0\nm=audio 9 RTP/SAVPF 0\n", NoVideoError, "audio", id="audio only"),
        pytest.param(an_offer(direction="a=recvonly"), NoVideoError, "recvonly", id="a viewer, not a publisher"),
        pytest.param(an_offer().replace("m=video 9", "m=video 0"), NoVideoError, "video", id="rejected video"),
        pytest.param(an_offer("a=rtpmap:96 VP9/90000"), NoCodecError, "VP9", id="VP9"),
        pytest.param(an_offer("a=rtpmap:96 AV1/90000"), NoCodecError, "AV1", id="AV1"),
        pytest.param(an_offer("a=x"), NoCodecError, "no codec", id="no codec"),
        pytest.param(
            an_offer("a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=2"), NoCodecError, "h264", id="interleaved"
        ),
    ],
)
def test_an_offer_that_cannot_be_taken_says_why(text: str, error: type[DeepfakeMonitorError], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_offer(text)


def _mutated(text: str, seed: int, edits: int) -> str:
    """The text with lines dropped, doubled and swapped and characters changed."""
    source = random.Random(seed)
    lines = text.split("\r\n")
    for _ in range(edits):
        at, other = source.randrange(len(lines)), source.randrange(len(lines))
        what = source.randrange(5)
        if what == 0 and len(lines) > 1:
            del lines[at]
        elif what == 1:
            lines.insert(other, lines[at])
        elif what == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif lines[at]:
            where = source.randrange(len(lines[at]))
            new = source.choice("0 9:=-/;.,aZ\t\x85٣é\n" + "9" * 3)
            lines[at] = lines[at][:where] + new + lines[at][where + (what == 3) :]
    return "\r\n".join(lines)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 20))
def test_a_damaged_offer_is_refused_with_our_errors_or_shown_to_aiortc_in_order(seed: int, edits: int) -> None:
    try:
        offer = parse_offer(_mutated(CHROME, seed, edits))
    except DeepfakeMonitorError:
        return
    (media,) = SessionDescription.parse(offer.for_aiortc).media
    assert media.kind == "video"
    assert str(media)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.text("av=m:0 1\r\nvideo/", max_size=300))
def test_any_text_is_refused_or_read(text: str) -> None:
    for parse in (parse_offer, parse_fragment):
        with suppress(DeepfakeMonitorError):
            parse(text)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 8))
def test_whatever_of_a_damaged_offer_is_taken_aiortc_can_answer(seed: int, edits: int) -> None:
    try:
        offer = parse_offer(_mutated(CHROME, seed, edits))
    except DeepfakeMonitorError:
        return
    answer = asyncio.run(answered(offer))
    assert len(sections(answer)) == 1 + len(offer.sections)
    assert all(c in "\r\n" or " " <= c <= "~" for c in answer)
