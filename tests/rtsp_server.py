#!/usr/bin/python3
"""A real RTSP camera for tests, on Debian's gst-rtsp-server. For /usr/bin/python3, whose `gi` is a system package.

    rtsp_server.py PORT PATH=CODEC:FILE... [--fps 15] [--transports tcp,udp] [--tls CERTIFICATE_AND_KEY.pem]
                   [--user U --password P --auth basic|digest]

FILE holds access units in Annex-B form, each behind its length (4 bytes, big-endian); they are sent round and round at
wall-clock pace, stamped as they go out. Says `READY` when it listens. Kill it, stop it, freeze it with signals.
"""

from __future__ import annotations

import argparse
import itertools
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi  # type: ignore[import-not-found,unused-ignore]  # a package of the system's Python, not of the venv

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # type: ignore  # noqa: E402, PGH003 - as above

ROLE = "viewer"

# config-interval=1 repeats the parameter sets with each key frame; with -1 and frames of several slices half of the
# picture is green and nothing says so
PIPELINE = (
    "( appsrc name=source is-live=true do-timestamp=true format=time max-bytes=4000000 leaky-type=downstream"
    " caps=video/x-{codec},stream-format=byte-stream,alignment=au"
    " ! {codec}parse config-interval=-1 ! rtp{codec}pay name=pay0 pt=96 config-interval=1 )"
)


def access_units(path: Path) -> list[bytes]:
    data = path.read_bytes()
    units = []
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        units.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return units


class Pusher(threading.Thread):
    """Feeds one appsrc at `fps` until its media goes away."""

    def __init__(self, source: Any, units: list[bytes], fps: float) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.units = units
        self.fps = fps
        self.stopping = threading.Event()

    def run(self) -> None:
        start = time.monotonic()
        for index, unit in enumerate(itertools.cycle(self.units)):
            buffer = Gst.Buffer.new_wrapped(unit)
            buffer.duration = int(Gst.SECOND / self.fps)
            if self.source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            if self.stopping.wait(max(0.0, start + (index + 1) / self.fps - time.monotonic())):
                return


def make_factory(codec: str, units: list[bytes], args: argparse.Namespace) -> Any:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(codec=codec))
    factory.set_shared(True)
    transports = GstRtsp.RTSPLowerTrans(0)
    if "tcp" in args.transports:
        transports |= GstRtsp.RTSPLowerTrans.TCP
    if "udp" in args.transports:
        transports |= GstRtsp.RTSPLowerTrans.UDP
    factory.set_protocols(transports)

    def configure(_factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name_recurse_up("source")
        pusher = Pusher(source, units, args.fps)
        media.connect("unprepared", lambda *_: pusher.stopping.set())
        pusher.start()

    factory.connect("media-configure", configure)
    if args.user or args.tls:
        permissions = GstRtspServer.RTSPPermissions()
        for right in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role(ROLE, right, True)
        factory.set_permissions(permissions)
    return factory


def make_auth(args: argparse.Namespace) -> Any:
    auth = GstRtspServer.RTSPAuth()
    if args.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(args.tls))
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if not args.user:
        auth.set_default_token(token)  # anybody
        return auth
    if args.auth == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(args.user, args.password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(args.user, args.password), token)
    return auth


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("mounts", nargs="+")
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--transports", default="tcp,udp")
    parser.add_argument("--tls")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--auth", choices=("basic", "digest"), default="basic")
    args = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(args.port)
    if args.user or args.tls:
        server.set_auth(make_auth(args))
    for mount in args.mounts:
        path, _, what = mount.partition("=")
        codec, _, file = what.partition(":")
        server.get_mount_points().add_factory(path, make_factory(codec, access_units(Path(file)), args))
    if not server.attach(None):
        sys.exit(f"cannot listen on port {args.port}")
    print("READY", server.get_bound_port(), flush=True)  # noqa: T201 - whoever started it waits for this line
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
