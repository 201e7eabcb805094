from __future__ import annotations

import os
import string
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import ConfigError, SourceError, SourceErrorKind
from stream_server.streams.sources.address import AddressRules, SourceAddress, parse_address

ANY = AddressRules()


def _untrusted(text: str, rules: AddressRules = ANY) -> SourceAddress:
    return parse_address(text, trusted=False, rules=rules)


def _forbidden(text: str, rules: AddressRules = ANY) -> str:
    with pytest.raises(SourceError) as caught:
        _untrusted(text, rules)
    assert caught.value.kind is SourceErrorKind.FORBIDDEN
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rtsp://192.168.1.20/stream1", "rtsp"),
        ("RTSP://camera.local:8554/live?channel=1", "rtsp"),
        ("rtsps://user:pass@cam.example/x", "rtsp"),
        ("rtmp://10.0.0.1/live/key", "rtmp"),
        ("http://127.0.0.1:8080/video.mjpg", "http"),
        ("https://[2001:db8::7]/live.m3u8", "http"),
        ("http://my_camera.lan./", "http"),
    ],
)
def test_addresses_of_video_are_taken(text: str, kind: str) -> None:
    assert _untrusted(text).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "concat:/etc/passwd|/etc/shadow",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "pipe:0",
        "data:video/mp4;base64,AAAA",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "fd:0",
        "crypto+file:/etc/passwd",
        "async:http://127.0.0.1/",
        "tcp://127.0.0.1:22",
        "udp://@239.0.0.1:1234",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/x",
        "unix:/run/docker.sock",
        "tee:[f=mp4]/tmp/x",
        "lavfi:testsrc",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
def test_no_other_scheme_reaches_ffmpeg(text: str, trusted: bool) -> None:
    with pytest.raises((ConfigError, SourceError)):
        parse_address(text, trusted=trusted, rules=AddressRules(folders=(Path("/srv/video"),)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rtsp://",
        "rtsp:///path",
        "rtsp:host/path",
        "rtsp://host:99999/",
        "rtsp://host:0/",
        "rtsp://host:port/",
        "rtsp://[::1/",
        "rtsp://ho st/",
        "rtsp://host/a b",
        "rtsp://host/\r\nX-Injected: 1",
        "rtsp://host\\@evil/",
        "rtsp://user:p@ss/word@host/",
        "rtsp://user:12/34@host/",
        "rtsp://ho\x00st/",
        "rtsp://höst/",
        "rtsp://ho%73t/",
        "rtsp://-camera/",
        "rtsp://" + "a" * 254 + "/",
        "rtsp://host/" + "a" * 2048,
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|cannot read|must not|cannot be opened"):
        _untrusted(text)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::1]",
        "0.0.0.0",
        "0",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_addresses_that_hand_out_credentials_are_denied_in_every_spelling(host: str) -> None:
    assert "denied for every source" in _forbidden(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "192.168.0.9", "[fd12::5]"])
def test_cameras_live_in_private_networks_so_those_are_open_by_default(host: str) -> None:
    _untrusted(f"rtsp://{host}/x")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "[::ffff:127.0.0.1]"])
def test_a_denied_network_holds_in_every_spelling(host: str) -> None:
    assert "127.0.0.0/8" in _forbidden(f"rtsp://{host}/x", AddressRules.of((), (), ("127.0.0.0/8",)))


def test_with_an_allow_list_everything_else_is_denied() -> None:
    rules = AddressRules.of((), ("192.168.7.0/24",), ())
    assert _untrusted("rtsp://192.168.7.3/x", rules).kind == "rtsp"
    assert "none of the allowed" in _forbidden("rtsp://192.168.8.3/x", rules)
    assert "none of the allowed" in _forbidden("rtsp://[2001:db8::1]/x", rules)


def test_deny_wins_over_allow() -> None:
    rules = AddressRules.of((), ("192.168.0.0/16",), ("192.168.7.0/24",))
    _forbidden("rtsp://192.168.7.3/x", rules)


def test_allowing_everything_does_not_allow_metadata() -> None:
    _forbidden("http://169.254.169.254/", AddressRules.of((), ("0.0.0.0/0", "::/0"), ()))


def test_the_operator_is_bound_by_the_network_rules_too() -> None:
    with pytest.raises(SourceError):
        parse_address("http://169.254.169.254/", trusted=True, rules=ANY)


def test_a_wrong_network_in_the_settings_is_named() -> None:
    with pytest.raises(ConfigError, match=r"192\.168\.0\.0/33"):
        AddressRules.of((), (), ("192.168.0.0/33",))


def test_a_name_is_judged_by_what_it_resolves_to() -> None:
    address = _untrusted("rtsp://localhost/x")
    assert all(ip.is_loopback for ip in address.resolve(ANY))
    with pytest.raises(SourceError) as caught:
        address.resolve(AddressRules.of((), (), ("127.0.0.0/8", "::1/128")))
    assert caught.value.kind is SourceErrorKind.FORBIDDEN


def test_one_denied_address_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (ip, port)) for ip in ("192.168.1.5", "169.254.169.254")]

    monkeypatch.setattr("stream_server.streams.sources.address.socket.getaddrinfo", lookup)
    with pytest.raises(SourceError, match=r"169\.254\.169\.254"):
        _untrusted("rtsp://both.example/x").resolve(ANY)


def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(SourceError) as caught:
        _untrusted("rtsp://user:geheim@camera.invalid/x").resolve(ANY)
    assert caught.value.kind is SourceErrorKind.UNREACHABLE
    assert "camera.invalid" in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "ip", "pinned"),
    [
        ("rtsp://u:p%40@cam.lan:8554/a?b=c", "192.168.1.5", "rtsp://u:p%40@192.168.1.5:8554/a?b=c"),
        ("rtsp://cam.lan/a", "2001:db8::5", "rtsp://[2001:db8::5]/a"),
    ],
)
def test_the_judged_address_takes_the_place_of_the_name(url: str, ip: str, pinned: str) -> None:
    assert _untrusted(url).at(ip_address(ip)) == pinned


def test_the_operator_may_name_any_file(tmp_path: Path) -> None:
    file = tmp_path / "a video.mp4"
    file.touch()
    address = parse_address(str(file), trusted=True, rules=ANY)
    assert address.kind == "file"
    assert address.open_path(ANY) == file.resolve()


def test_over_the_api_only_files_below_the_folders_are_opened(tmp_path: Path) -> None:
    rules = AddressRules(folders=(tmp_path / "open",))
    (tmp_path / "open" / "deep").mkdir(parents=True)
    inside = tmp_path / "open" / "deep" / "a.mp4"
    inside.touch()
    assert _untrusted(str(inside), rules).open_path(rules) == inside.resolve()
    for outside in (
        "/etc/passwd",
        f"{tmp_path}/open/../secret.mp4",
        f"{tmp_path}/open-too/a.mp4",
        "a.mp4",
        "../../../../etc/passwd",
    ):
        _forbidden(outside, rules)


def test_without_folders_no_file_is_opened_over_the_api(tmp_path: Path) -> None:
    assert "command line" in _forbidden(str(tmp_path / "a.mp4"))


def test_a_link_out_of_the_folder_is_followed_and_refused(tmp_path: Path) -> None:
    rules = AddressRules(folders=(tmp_path / "open",))
    (tmp_path / "open").mkdir()
    (tmp_path / "secret.mp4").touch()
    (tmp_path / "open" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    _forbidden(str(tmp_path / "open" / "link.mp4"), rules)


def test_a_file_that_becomes_a_link_later_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    rules = AddressRules(folders=(tmp_path / "open",))
    (tmp_path / "open").mkdir()
    file = tmp_path / "open" / "a.mp4"
    file.touch()
    address = _untrusted(str(file), rules)
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(SourceError) as caught:
        address.open_path(rules)
    assert caught.value.kind is SourceErrorKind.FORBIDDEN


def test_a_loop_of_links_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises((ConfigError, SourceError)):
        parse_address(str(tmp_path / "a"), trusted=True, rules=ANY).open_path(ANY)


@pytest.mark.parametrize("make", ["missing", "folder", "pipe"])
def test_only_a_regular_file_is_opened(tmp_path: Path, make: str) -> None:
    path = tmp_path / "x.mp4"
    if make == "folder":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)
    address = parse_address(str(path), trusted=True, rules=ANY)
    with pytest.raises(SourceError) as caught:
        address.open_path(ANY)
    assert caught.value.kind is SourceErrorKind.NOT_FOUND


def test_a_nul_in_a_path_is_refused() -> None:
    with pytest.raises(ConfigError):
        parse_address("/tmp/a\x00.mp4", trusted=True, rules=ANY)


def test_an_address_shows_its_password_nowhere() -> None:
    address = _untrusted("rtsp://admin:geheim@192.168.1.5/x?password=geheim2")
    assert "geheim" not in repr(address)
    assert "geheim" not in address.masked
    assert "geheim" in address.url


@given(st.text(max_size=200))
def test_any_text_is_either_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        address = _untrusted(text)
    except (ConfigError, SourceError):
        return
    assert address.kind in {"rtsp", "rtmp", "http"}


@given(
    st.sampled_from(["rtsp", "rtsps", "rtmp", "http", "https"]),
    st.text(string.ascii_lowercase, min_size=1, max_size=8),
    st.text(min_size=1, max_size=40),
    st.sampled_from(["host", "10.0.0.1", "[2001:db8::1]"]),
)
def test_the_masked_address_is_the_address_without_its_password(
    scheme: str, user: str, password: str, host: str
) -> None:
    url = f"{scheme}://{user}:{quote(password, safe='')}@{host}/live/1"
    assert _untrusted(url).masked == f"{scheme}://{user}:***@{host}/live/1"
