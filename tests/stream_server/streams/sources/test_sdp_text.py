from __future__ import annotations

import pytest

from stream_server.streams.sources.sdp_text import MAX_CANDIDATES, BadSdpError, parse_fragment


def test_a_fragment_gives_its_usable_candidates() -> None:
    fragment = parse_fragment(
        "a=ice-ufrag:OtB8\r\na=ice-pwd:x\r\nm=video 9 RTP/AVP 0\r\na=mid:1\r\n"
        "a=candidate:1 1 UDP 2130706431 192.0.2.7 4000 typ host\r\n"
        "a=candidate:1 1 udp 2130706431 fe80::1 4001 typ srflx raddr 192.0.2.7 rport 4000\r\n"
        "a=candidate:1 2 udp 2130706431 192.0.2.7 4002 typ host\r\n"
        "a=candidate:1 1 tcp 2130706431 192.0.2.7 9 typ host tcptype active\r\n"
        "a=candidate:1 1 udp 2130706431 monitor.example 4003 typ host\r\n"
        "a=candidate:1 1 udp 2130706431 224.0.0.1 4004 typ host\r\n"
        "a=candidate:1 1 udp 99999999999 192.0.2.7 4005 typ host\r\n"
        "a=candidate:1 1 udp 1 192.0.2.7 0 typ host\r\n"
        "a=candidate:garbage\r\na=candidate:\r\na=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "OtB8"
    assert [(c.ip, c.port, c.sdpMid) for c in fragment.candidates] == [("192.0.2.7", 4000, "1"), ("fe80::1", 4001, "1")]


def test_a_fragment_may_only_say_that_no_more_will_come() -> None:
    assert parse_fragment("a=end-of-candidates\r\n").candidates == ()


def test_of_very_many_candidates_the_first_are_kept() -> None:
    text = "".join(f"a=candidate:1 1 udp 1 192.0.2.7 {port} typ host\r\n" for port in range(1, 900))
    assert len(parse_fragment(text).candidates) == MAX_CANDIDATES


@pytest.mark.parametrize("text", ["", "hello", "a=mid:0\r\n", "v=0\r\n", "\x00"])
def test_what_is_no_fragment_is_refused(text: str) -> None:
    with pytest.raises(BadSdpError):
        parse_fragment(text)
