"""The publisher's offer and our answer: text in, text out, no I/O (RFC 8866, 9429).

aiortc is only ever shown what we took from the offer and understood: one video section, VP8 or H.264, its transport.
So an offer may hold anything else (audio, data channels, simulcast, AV1, more cameras) without aiortc raising on it;
what we do not take is answered as inactive or rejected here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aiortc import RTCIceCandidate

from analyzer.errors import DeepfakeMonitorError
from stream_server.streams.sources.sdp_text import TRANSPORT, BadSdpError, Section, candidates_of, split_sections

# aiortc answers with its own payload type for any other (35-63 are in use by browsers for rarer codecs)
_PAYLOAD_TYPES: Final = range(96, 128)
_PROTOCOLS: Final = {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF", "RTP/SAVP"}
_FEEDBACK: Final = ("nack", "nack pli", "goog-remb")
_EXTENSIONS: Final = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
)
# Whatever profile is offered decodes the same; aiortc knows this one, the answer names the offered one
_AIORTC_H264: Final = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}")
_RTPMAP = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9.-]+)/([0-9]{1,6})(?:/([0-9]{1,2}))? *")
_FINGERPRINT = re.compile(r"(?i:sha-(?:256|384|512)) +[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31,63} *")
_UFRAG = re.compile(r"[A-Za-z0-9+/_=-]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/_=-]{22,256}")


class NoVideoError(DeepfakeMonitorError):
    """The offer sends no video."""

    code = "no_video"


class NoCodecError(DeepfakeMonitorError):
    """The offer sends video in none of the codecs that we decode."""

    code = "no_common_codec"


@dataclass(frozen=True, slots=True)
class Offer:
    """A publisher's offer that we can take; made by `parse_offer`."""

    sections: tuple[Section, ...]
    video: int
    """Index of the section that we take."""
    bundle: tuple[str, ...]
    """mids that share one transport with the video, the first of them owning it; empty without a BUNDLE group."""
    codecs: tuple[str, ...]
    """Payload types that we take, in the publisher's order."""
    ufrag: str
    for_aiortc: str
    """The offer as aiortc is shown it."""
    candidates: tuple[RTCIceCandidate, ...]
    """Left out of `for_aiortc`, for aiortc would look up `.local` names (1 s) before it answers."""

    def carries(self, mid: str | None) -> bool:
        """Whether candidates of that section belong to the video's transport; None when they name no section."""
        return mid is None or mid == self.sections[self.video].mid or mid in self.bundle

    def answer(self, aiortc_answer: str, start_bitrate_kbps: int | None = None) -> str:
        """Our answer to every section of the offer, from aiortc's answer to the one that it was shown.

        `start_bitrate_kbps` is where Chromium starts; else 300 kbit/s and a small picture for half a minute.
        """
        _, (ours,) = split_sections(aiortc_answer)
        transport = [(key, value) for key, value in ours.attributes if key in TRANSPORT]
        bodies = [
            self._video_answer(ours, start_bitrate_kbps)
            if index == self.video
            else self._other_answer(section, ours, transport)
            for index, section in enumerate(self.sections)
        ]
        taken = [s.mid for s, (accepted, _) in zip(self.sections, bodies, strict=True) if accepted]
        lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
        if self.bundle:
            lines.append("a=group:BUNDLE " + " ".join(mid for mid in taken if mid in self.bundle))
        for _, body in bodies:
            lines += body
        return "".join(f"{line}\r\n" for line in lines)

    def _video_answer(self, ours: Section, start_bitrate_kbps: int | None) -> tuple[bool, list[str]]:
        offered = self.sections[self.video]
        # what we would send as, and the parameters that were replaced for aiortc
        left_out = {"msid", "ssrc", "ssrc-group", "fmtp", "rtcp"}
        lines = [
            f"m=video {ours.port} {offered.protocol} {' '.join(ours.formats)}",
            "c=IN IP4 0.0.0.0",
            *(_line(key, value) for key, value in ours.attributes if key not in left_out),
        ]
        names = _names(offered)
        for payload_type in ours.formats:
            parameters = [p for p in [_fmtp(offered, payload_type)] if p]
            if start_bitrate_kbps is not None and names[payload_type] != "rtx":
                parameters.append(f"x-google-start-bitrate={start_bitrate_kbps}")
            if parameters:
                lines.append(f"a=fmtp:{payload_type} {';'.join(parameters)}")
        return True, lines

    def _other_answer(
        self, section: Section, ours: Section, transport: list[tuple[str, str]]
    ) -> tuple[bool, list[str]]:
        """Audio beside the video stays, silent: some publishers give up, or lose the transport, when it is rejected."""
        mid = [_line("mid", section.mid)] if section.mid is not None else []
        codec = next((m for m in map(_RTPMAP.fullmatch, section.all("rtpmap")) if m and m[1] in section.formats), None)
        if section.kind == "audio" and section.mid in self.bundle and codec:
            return True, [
                f"m=audio {ours.port} {section.protocol} {codec[1]}",
                "c=IN IP4 0.0.0.0",
                "a=inactive",
                *mid,
                "a=rtcp-mux",
                f"a=rtpmap:{codec[0].strip()}",
                *(_line(key, value) for key, value in transport),
            ]
        formats = " ".join(section.formats)
        return False, [f"m={section.kind} 0 {section.protocol} {formats}", "c=IN IP4 0.0.0.0", "a=inactive", *mid]


def parse_offer(text: str) -> Offer:
    """Find the video in an offer and what we need of its transport.

    Raises `BadSdpError`, `NoVideoError` or `NoCodecError`, each saying what was expected and what came.
    """
    session, sections = split_sections(text)
    if not sections:
        raise BadSdpError("expected an SDP offer with an m=video section; it has no m= line")
    mids = [section.mid for section in sections if section.mid is not None]
    if len(set(mids)) != len(mids) or not all(map(_TOKEN.fullmatch, mids)):
        raise BadSdpError("expected every section to have an a=mid of its own, a short word")
    groups = (value.split()[1:] for value in session.all("group") if value.startswith("BUNDLE "))
    bundles = [tuple(mid for mid in group if mid in mids) for group in groups]
    video, codecs = _choose(sections)
    section = sections[video]
    bundle = next((b for b in bundles if section.mid in b), ())
    owner = next((s for s in sections if bundle and s.mid == bundle[0]), section)
    ufrag, lines = _transport(session, owner, section)
    shown = [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        *(["a=ice-lite"] if session.first("ice-lite") is not None else []),
        f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(codecs)}",
        "c=IN IP4 0.0.0.0",
        f"a={section.direction}",
        *([_line("mid", section.mid)] if section.mid is not None else []),
        "a=rtcp-mux",
        *lines,
        *_rtp_lines(section, codecs),
    ]
    values = (owner.all("candidate") if owner is not section else []) + section.all("candidate")
    return Offer(
        sections=tuple(sections),
        video=video,
        bundle=bundle,
        codecs=codecs,
        ufrag=ufrag,
        for_aiortc="".join(f"{line}\r\n" for line in shown),
        candidates=candidates_of((value, section.mid) for value in values),
    )


def _choose(sections: list[Section]) -> tuple[int, tuple[str, ...]]:
    """The first video section that is sent in a codec that we take, with its payload types."""
    videos = [i for i, s in enumerate(sections) if s.kind == "video" and (s.port or s.first("bundle-only") is not None)]
    sent = [i for i in videos if sections[i].direction in ("sendonly", "sendrecv")]
    if not sent:
        kinds = ", ".join(f"{s.kind} ({s.direction})" for s in sections)
        raise NoVideoError(f"expected an m=video section that sends; the offer has {kinds}")
    for index in sent:
        if sections[index].protocol not in _PROTOCOLS:
            raise BadSdpError(f"expected UDP/TLS/RTP/SAVPF (encrypted media), got {sections[index].protocol}")
        if codecs := _taken(sections[index]):
            return index, codecs
    names = sorted({name for index in sent for name in _names(sections[index]).values()})
    raise NoCodecError(f"expected VP8 or H264 (packetization-mode 0 or 1), got {', '.join(names) or 'no codec'}")


def _names(section: Section) -> dict[str, str]:
    """Payload type to codec name, lower case except as it was written for display where we do not take it."""
    found = (_RTPMAP.fullmatch(value) for value in section.all("rtpmap"))
    known = {"vp8": "vp8", "h264": "h264", "rtx": "rtx"}
    return {m[1]: known.get(m[2].lower(), m[2]) for m in found if m}


def _fmtp(section: Section, payload_type: str) -> str:
    """The parameters of one codec, or an empty string."""
    for value in section.all("fmtp"):
        head, _, parameters = value.partition(" ")
        if head == payload_type and parameters.isascii() and parameters.isprintable():
            return parameters.strip()
    return ""


def _parameter(section: Section, payload_type: str, name: str) -> str | None:
    for part in _fmtp(section, payload_type).split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == name:
            return value.strip()
    return None


def _taken(section: Section) -> tuple[str, ...]:
    names = _names(section)
    listed = [f for f in section.formats if f.isdecimal() and int(f) in _PAYLOAD_TYPES and str(int(f)) == f]
    main = {
        f
        for f in listed
        if names.get(f) == "vp8"
        or (names.get(f) == "h264" and (_parameter(section, f, "packetization-mode") or "0") in ("0", "1"))
    }
    # aiortc wants a retransmission after the codec that it belongs to
    extra = [f for f in listed if names.get(f) == "rtx" and _parameter(section, f, "apt") in main]
    ordered = [f for f in dict.fromkeys(listed) if f in main]
    return tuple(ordered + list(dict.fromkeys(extra))) if ordered else ()


def _transport(session: Section, owner: Section, section: Section) -> tuple[str, list[str]]:
    """ICE and DTLS lines for aiortc; a bundled section may leave them to the section that owns the transport."""
    places = (section, owner, session)
    ufrag = next((v for p in places if (v := p.first("ice-ufrag"))), "")
    pwd = next((v for p in places if (v := p.first("ice-pwd"))), "")
    if not _UFRAG.fullmatch(ufrag) or not _PWD.fullmatch(pwd):
        raise BadSdpError("expected a=ice-ufrag (4 or more characters) and a=ice-pwd (22 or more)")
    fingerprints = [v for p in places for v in p.all("fingerprint") if _FINGERPRINT.fullmatch(v)]
    if not fingerprints:
        raise BadSdpError("expected an a=fingerprint with sha-256, sha-384 or sha-512 (media must be encrypted)")
    setup = next((v for p in places if (v := p.first("setup"))), "actpass")
    if setup not in ("actpass", "active", "passive"):
        raise BadSdpError(f"expected a=setup:actpass, active or passive, got {setup[:20]!r}")
    if not any(p.first(name) is not None for p in places for name in ("rtcp-mux", "rtcp-mux-only")):
        raise BadSdpError("expected a=rtcp-mux: RTP and RTCP must share one port")
    lines = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}", f"a=setup:{setup}"]
    return ufrag, lines + [f"a=fingerprint:{' '.join(v.split())}" for v in dict.fromkeys(fingerprints)]


def _rtp_lines(section: Section, codecs: tuple[str, ...]) -> list[str]:
    """Codecs, feedback, header extensions and SSRCs for aiortc."""
    names = _names(section)
    lines = []
    for payload_type in codecs:
        name = names[payload_type]
        lines.append(f"a=rtpmap:{payload_type} {'rtx' if name == 'rtx' else name.upper()}/90000")
        if name == "rtx":
            lines.append(f"a=fmtp:{payload_type} apt={_parameter(section, payload_type, 'apt')}")
        elif name == "h264":
            lines.append(f"a=fmtp:{payload_type} {_AIORTC_H264}")
        offered = {tuple(v.split()) for v in section.all("rtcp-fb")}
        lines += [
            f"a=rtcp-fb:{payload_type} {feedback}"
            for feedback in _FEEDBACK
            if any((target, *feedback.split()) in offered for target in (payload_type, "*"))
        ]
    for value in section.all("extmap"):
        number, _, uri = value.partition(" ")
        number = number.partition("/")[0]
        if uri in _EXTENSIONS and number.isascii() and number.isdecimal() and 1 <= int(number) <= 14:
            lines.append(f"a=extmap:{int(number)} {uri}")
    return lines + [f"a=ssrc:{ssrc} cname:publisher" for ssrc in _ssrcs(section)]


def _ssrcs(section: Section) -> list[int]:
    """The media SSRC and that of its retransmissions, if the offer names them; of simulcast the first layer's."""
    groups = [v.split()[1:] for v in section.all("ssrc-group") if v.startswith("FID ")]
    named = [v.partition(" ")[0] for v in section.all("ssrc")]
    chosen = groups[0] if groups else list(dict.fromkeys(named))[:1]
    numbers = [int(s) for s in chosen[:2] if s.isascii() and s.isdecimal() and len(s) <= 10]
    return [number for number in numbers if number < 2**32]


def _line(name: str, value: str | None) -> str:
    return f"a={name}:{value}" if value else f"a={name}"
