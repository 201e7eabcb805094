"""Publishes a picture by WHIP with GStreamer's webrtcbin: `/usr/bin/python3 gst_whip.py URL`, until stdin closes.

Run by Debian's own Python, which has the bindings. Its DTLS certificate is RSA, unlike those of aiortc and browsers.
Prints `connected` and `ended`, or `failed REASON`.
"""

from __future__ import annotations

import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import gi  # type: ignore[import-not-found,unused-ignore]  # a package of the system's Python, not of the venv

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # type: ignore  # noqa: E402, PGH003 - as above

PIPELINE = (
    "webrtcbin name=peer bundle-policy=max-bundle "
    "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=320,height=240,framerate=15/1 "
    "! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay pt=96 "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer."
)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Publisher:
    def __init__(self, url: str) -> None:
        self.url = url
        self.session: str | None = None
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.peer.connect("notify::ice-gathering-state", self.on_gathered)
        self.peer.connect("notify::connection-state", self.on_connection)

    def run(self) -> None:
        threading.Thread(target=self.wait_for_stdin, daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.session:
            urllib.request.urlopen(urllib.request.Request(self.session, method="DELETE"))
        self.pipeline.set_state(Gst.State.NULL)
        say("ended")

    def wait_for_stdin(self) -> None:
        sys.stdin.read()
        self.loop.quit()

    def on_negotiation_needed(self, peer: Any) -> None:
        only_send = GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
        peer.emit("get-transceiver", 0).set_property("direction", only_send)
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise: Any) -> None:
        reply = promise.get_reply()  # owns the offer
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def on_gathered(self, peer: Any, _: Any) -> None:
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> None:
        sdp = self.peer.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(self.url, sdp.encode(), {"Content-Type": "application/sdp"})
        try:
            with urllib.request.urlopen(request) as response:
                self.session = urllib.parse.urljoin(self.url, response.headers["Location"])
                answer = response.read()
        except urllib.error.HTTPError as error:
            say(f"failed {error.code} {error.read().decode()}")
            self.loop.quit()
            return
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(answer, message)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())

    def on_connection(self, peer: Any, _: Any) -> None:
        state = peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            say("connected")
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            say("failed to connect")
            self.loop.quit()


if __name__ == "__main__":
    Gst.init(None)
    Publisher(sys.argv[1]).run()
