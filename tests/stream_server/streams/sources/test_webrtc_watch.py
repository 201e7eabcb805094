from __future__ import annotations

from stream_server.streams.sources.webrtc_watch import PeerWatch, WebRTCConfig


class TestPeerWatch:
    config = WebRTCConfig(connect_timeout_s=15, stalled_after_s=3, ended_after_s=20)

    def test_waits_for_the_connection_then_gives_up(self) -> None:
        watch = PeerWatch(100, self.config)
        assert [watch.state(t) for t in (100, 114.9, 115)] == ["connecting", "connecting", "ended"]
        assert watch.next_change_s(100) == 115

    def test_a_connection_without_pictures_is_stalled_then_ended(self) -> None:
        watch = PeerWatch(100, self.config)
        watch.connect(110)
        assert [watch.state(t) for t in (112, 113, 129.9, 130)] == ["connecting", "stalled", "stalled", "ended"]
        assert watch.next_change_s(112) == 113
        assert watch.next_change_s(113) == 130

    def test_pictures_keep_it_live(self) -> None:
        watch = PeerWatch(100, self.config)
        watch.connect(101)
        watch.frame(102)
        watch.connect(104)  # said again later: the picture counts
        assert [watch.state(t) for t in (102, 104.9, 105, 122)] == ["live", "live", "stalled", "ended"]
        watch.frame(121)
        assert watch.state(122) == "live"
