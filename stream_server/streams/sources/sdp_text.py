"""Session descriptions as text: sections, attributes, candidates (RFC 8866, 8839, 8840). No I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiortc import RTCIceCandidate

from analyzer.errors import DeepfakeMonitorError

MAX_SECTIONS: Final = 32
"""An offer with more `m=` lines is refused; browsers send 1 to 3."""
MAX_CANDIDATES: Final = 32
"""Of one peer, further ones are ignored: each is an address that we send connectivity checks to."""

TRANSPORT: Final = ("ice-ufrag", "ice-pwd", "ice-options", "candidate", "end-of-candidates", "fingerprint", "setup")
"""Attributes of a section that say how its media travels."""

_DIRECTIONS: Final = ("sendonly", "sendrecv", "recvonly", "inactive")

_MEDIA = re.compile(r"([a-z]{1,16}) ([0-9]{1,5})(?:/[0-9]+)? ([A-Z/]{1,32}) ([\x21-\x7e]+(?: [\x21-\x7e]+)*) *")
_CANDIDATE = re.compile(
    r"(?P<foundation>[\x21-\x7e]{1,64}) (?P<component>[0-9]{1,3}) (?P<protocol>[A-Za-z]{1,8}) (?P<priority>[0-9]{1,10})"
    r" (?P<ip>[0-9A-Za-z.:-]{1,255}) (?P<port>[0-9]{1,5}) typ (?P<type>host|srflx|relay)(?: .*)?"
)


class BadSdpError(DeepfakeMonitorError):
    """The text is not an SDP offer, or not a fragment, that WebRTC could mean."""

    code = "bad_sdp"


@dataclass(frozen=True, slots=True)
class Section:
    """One `m=` section (or the part before the first) with its attributes in order."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def mid(self) -> str | None:
        return self.first("mid")

    @property
    def direction(self) -> str:
        """`sendrecv` unless it says otherwise (RFC 8866, section 6.7)."""
        return next((key for key, _ in self.attributes if key in _DIRECTIONS), "sendrecv")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Trickled candidates (`application/trickle-ice-sdpfrag`, RFC 8840)."""

    ufrag: str | None
    """Which ICE session they belong to, if it says so."""
    candidates: tuple[RTCIceCandidate, ...]
    """Those that we can use; `sdpMid` says whose they are."""


def parse_fragment(text: str) -> Fragment:
    """Read trickled candidates; those that we cannot use (TCP, unknown types, garbage) are left out.

    Raises `BadSdpError` when the text is no fragment at all.
    """
    session, sections = split_sections(text, first="")
    parts = [session, *sections]
    if not any(name in TRANSPORT for part in parts for name, _ in part.attributes):
        raise BadSdpError("expected a=ice-ufrag, a=candidate or a=end-of-candidates lines; there are none")
    ufrags = [value for part in parts for value in part.all("ice-ufrag")]
    return Fragment(
        ufrag=ufrags[0] if ufrags else None,
        candidates=candidates_of((value, part.mid) for part in parts for value in part.all("candidate")),
    )


def split_sections(text: str, first: str = "v=0") -> tuple[Section, list[Section]]:
    """The session part and the media sections; attributes only, for the rest says nothing that we need."""
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line]
    if first and (not lines or lines[0] != first):
        raise BadSdpError(f"expected SDP starting with {first!r}, got {lines[0][:40] if lines else ''!r}")
    found = [Section("session", 0, "", (), ())]
    attributes: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(lines, start=1):
        if not re.match(r"[a-z]=", line) or "\x00" in line:
            raise BadSdpError(f"expected SDP lines such as 'a=mid:0'; line {number} is {line[:40]!r}")
        if line.startswith("m="):
            media = _MEDIA.fullmatch(line[2:])
            if not media or int(media[2]) > 65535 or len(found) > MAX_SECTIONS:
                raise BadSdpError(f"expected at most {MAX_SECTIONS} media lines; line {number} is {line[:60]!r}")
            found.append(Section(media[1], int(media[2]), media[3], tuple(media[4].split(" ")), ()))
            attributes.append([])
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            attributes[-1].append((name, value.strip()))
    session, *sections = (
        Section(s.kind, s.port, s.protocol, s.formats, tuple(a)) for s, a in zip(found, attributes, strict=True)
    )
    return session, sections


def candidates_of(values: Iterable[tuple[str, str | None]]) -> tuple[RTCIceCandidate, ...]:
    """The usable ones of `a=candidate` values, each with the mid of its section; at most `MAX_CANDIDATES`."""
    found = (_candidate(value, mid) for value, mid in values)
    return tuple(candidate for candidate in found if candidate is not None)[:MAX_CANDIDATES]


def _candidate(value: str, mid: str | None) -> RTCIceCandidate | None:
    """One usable candidate: UDP, component 1, a sane address or a `.local` name (RFC 8839, section 5.1)."""
    match = _CANDIDATE.fullmatch(value)
    if not match or match["component"] != "1" or match["protocol"].lower() != "udp":
        return None
    address, port = match["ip"], int(match["port"])
    if not address.lower().endswith(".local"):
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        if ip.is_multicast or ip.is_unspecified:
            return None
    if not 1 <= port <= 65535 or int(match["priority"]) >= 2**32:
        return None
    return RTCIceCandidate(
        component=1,
        foundation=match["foundation"],
        ip=address,
        port=port,
        priority=int(match["priority"]),
        protocol="udp",
        type=match["type"],
        sdpMid=mid,
    )
