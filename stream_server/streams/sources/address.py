"""Judges the address of a source before anything is opened, and keeps its password out of sight.

Whoever may add a stream makes this machine connect somewhere, so an address is an attack surface: only the schemes of
video, files only below folders that the operator named, networks by allow and deny list, and never the addresses where
clouds hand out credentials, also not behind a name, a redirect of DNS, an odd way to write an IP, or an IPv6 wrapper.
Cameras live in private networks, so those are allowed unless denied.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from analyzer.errors import ConfigError, SourceError, SourceErrorKind
from stream_server.streams.sources.redaction import mask_url, redact

__all__ = ["AddressRules", "IPAddress", "SourceAddress", "literal_ip", "mask_url", "parse_address", "redact"]

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

KINDS: Final = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "rtmp", "http": "http", "https": "http"}
"""Allowed schemes and the kind of source that serves them."""

_PORTS: Final = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "http": 80, "https": 443}

MAX_LENGTH: Final = 2048
"""Characters of an address; browsers and cameras stay below."""

ALWAYS_DENIED: Final[tuple[IPNetwork, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; clouds' metadata is at 169.254.169.254
        "fe80::/10",
        "fd00:ec2::/32",  # AWS over IPv6, fd00:ec2::254
        "fd20:ce::/32",  # Google over IPv6, fd20:ce::254
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "0.0.0.0/8",  # reaches this machine under a name that no deny list holds
        "::/128",
        "224.0.0.0/4",  # not one camera but many
        "ff00::/8",
        "240.0.0.0/4",
    )
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(,[^/]*)?:")  # with a comma: FFmpeg's "subfile,,start,..:"
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What operators allow sources to open."""

    folders: tuple[Path, ...] = ()
    """Untrusted files must lie below one of these, symbolic links followed."""
    allow: tuple[IPNetwork, ...] = ()
    """When there are any, every address of a host must lie in one of them."""
    deny: tuple[IPNetwork, ...] = ()

    @classmethod
    def of(cls, folders: Iterable[Path], allow: Iterable[str], deny: Iterable[str]) -> AddressRules:
        """From settings. Raises `ConfigError` for what is not a CIDR block."""
        return cls(tuple(folders), tuple(map(_network, allow)), tuple(map(_network, deny)))

    @property
    def by_network(self) -> bool:
        """Whether the operator drew borders beyond those that always hold."""
        return bool(self.allow or self.deny)

    def check_ip(self, ip: IPAddress) -> None:
        """Raises `SourceError(FORBIDDEN)` unless `ip`, and what it may wrap, can be opened."""
        forms = (ip, *_wrapped(ip))
        for form in forms:
            for network in (*ALWAYS_DENIED, *self.deny):
                if form.version == network.version and form in network:
                    always = " for every source" if network in ALWAYS_DENIED else ""
                    raise SourceError(SourceErrorKind.FORBIDDEN, f"the address {ip} lies in {network}, denied{always}")
        if self.allow and not any(f.version == n.version and f in n for f in forms for n in self.allow):
            raise SourceError(SourceErrorKind.FORBIDDEN, f"the address {ip} lies in none of the allowed networks")


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """An address that may be opened. Only `masked` may be shown or logged."""

    kind: str
    """`rtsp`, `rtmp`, `http` or `file`."""
    masked: str
    url: str = field(repr=False)
    """With its password, or the path of a file as it was given."""
    trusted: bool = False
    """Given on the command line or in the settings file."""

    def open_path(self, rules: AddressRules) -> Path:
        """The file, links resolved, judged anew: it may have been swapped since. Any thread; touches the disk.

        Raises `SourceError`: FORBIDDEN, or NOT_FOUND when it is not there or is no regular file (opening a pipe would
        wait for ever).
        """
        path = _allowed_path(self.url, trusted=self.trusted, rules=rules)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise SourceError(
                SourceErrorKind.NOT_FOUND, f"the file {self.masked} cannot be read: {error.strerror}"
            ) from None
        if not stat.S_ISREG(mode):
            raise SourceError(SourceErrorKind.NOT_FOUND, f"{self.masked} is not a file")
        return path

    def resolve(self, rules: AddressRules) -> list[IPAddress]:
        """Look the host up and judge each of its addresses. For the source's own thread: DNS may take seconds.

        Raises `SourceError`: UNREACHABLE when there is no such name, FORBIDDEN when *any* address is denied, for which
        one FFmpeg takes is chance.
        """
        parts = urlsplit(self.url)
        assert parts.hostname is not None, "parse_address saw to it"
        try:
            infos = socket.getaddrinfo(parts.hostname, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            message = f"the host name {parts.hostname} is not known: check it, or the DNS of this machine"
            raise SourceError(SourceErrorKind.UNREACHABLE, message) from None
        ips = list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in infos))
        for ip in ips:
            rules.check_ip(ip)
        return ips

    def at(self, ip: IPAddress) -> str:
        """The URL with its host replaced by `ip`, which was judged: a second look-up could answer differently."""
        parts = urlsplit(self.url)
        userinfo, at, _ = parts.netloc.rpartition("@")
        host = f"[{ip}]" if ip.version == 6 else str(ip)
        port = f":{parts.port}" if parts.port is not None else ""
        return parts._replace(netloc=f"{userinfo}{at}{host}{port}").geturl()


def parse_address(text: str, *, trusted: bool, rules: AddressRules) -> SourceAddress:
    """Judge what a person typed, without touching the network.

    `trusted` (command line, settings file): any file may be named. Raises `ConfigError` for what is no address of video
    and `SourceError(FORBIDDEN)` for what is one but must not be opened; neither text holds the password.
    """
    if not 0 < len(text) <= MAX_LENGTH:
        raise ConfigError(f"expected an address of 1 to {MAX_LENGTH} characters, got {len(text)}")
    scheme = _SCHEME.match(text)
    # C:\video.mp4 and the like do not occur on the systems that this runs on, so a colon after letters is a scheme
    if scheme is None:
        _allowed_path(text, trusted=trusted, rules=rules)
        return SourceAddress("file", text, text, trusted)
    name = scheme[0][:-1].lower()
    if name not in KINDS:
        raise ConfigError(f"expected an address with {', '.join(KINDS)} or the path of a file, got the scheme {name!r}")
    parts = _split(text)
    host = parts.hostname
    if host is None:
        raise ConfigError(f"expected {name}://host/path, got no host in {redact(text)}")
    ip = literal_ip(host)
    if ip is not None:
        rules.check_ip(ip)
    elif not _HOST_NAME.fullmatch(host):
        raise ConfigError(f"expected a host name or an IP address, got {redact(host)!r}")
    return SourceAddress(KINDS[name], mask_url(parts.geturl()), parts.geturl(), trusted)


def _split(text: str) -> SplitResult:
    """`urlsplit` for those URLs that it and FFmpeg read the same way, the scheme in lower case, without fragment."""
    # Control characters end up in requests (urlsplit drops some silently), "\\" separates hosts in some parsers only.
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ConfigError("an address must not contain spaces, backslashes or control characters: write them as %20")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError(
            f"cannot read the address {redact(text)}: expected scheme://user:password@host:port/path, with '/', '?', "
            "'#' and '@' of a password written as %2F, %3F, %23 and %40"
        ) from None
    if "@" in parts.path and ":" in parts.netloc:
        # most likely an unescaped "/" in a password, of which the rest would be shown as part of the path
        raise ConfigError(
            "expected no '@' after the host: write '/' and '@' of a password, or of the path, as %2F and %40"
        )
    if port == 0:
        raise ConfigError(f"port 0 cannot be opened: {redact(text)}")
    return parts._replace(fragment="")


def literal_ip(host: str) -> IPAddress | None:
    """The IP that a host is spelled as, also in the spellings that only the C library reads (0x7f.1, 2130706433)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _wrapped(ip: IPAddress) -> list[IPAddress]:
    """The IPv4 addresses that an IPv6 address is another spelling of or a tunnel to."""
    if ip.version == 4:
        return []
    found: list[IPAddress] = [form for form in (ip.ipv4_mapped, ip.sixtofour) if form is not None]
    if ip.teredo is not None:
        found.extend(ip.teredo)
    if ip in _NAT64 or int(ip) >> 32 == 0:  # ::a.b.c.d, the old "compatible" form
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    if int(ip) == 1:  # ::1 is loopback, not ::0.0.0.1
        found.clear()
    return found


def _network(text: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(f"expected a network such as 192.168.0.0/16, got {text[:80]!r}") from None


def _allowed_path(text: str, *, trusted: bool, rules: AddressRules) -> Path:
    if "\x00" in text:
        raise ConfigError("a path must not contain a NUL character")
    try:
        path = Path(text).resolve()
    except (OSError, RuntimeError):  # a loop of links; RuntimeError up to Python 3.12
        raise ConfigError(f"the path {text!r} cannot be resolved") from None
    if not trusted and not any(path.is_relative_to(folder.resolve()) for folder in rules.folders):
        where = "below the folders that the operator set" if rules.folders else "on the command line"
        # not said: whether the file exists
        raise SourceError(SourceErrorKind.FORBIDDEN, f"files can only be opened {where}, not {text!r}")
    return path
