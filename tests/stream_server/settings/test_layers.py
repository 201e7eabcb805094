from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from stream_server.settings.layers import load_settings
from stream_server.settings.schema import Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("DEEPFAKE_MONITOR_"):
            monkeypatch.delenv(name)


def a_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold_and_the_server_stays_on_loopback() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
    assert settings.server.max_upload_mb == 512


def test_each_layer_wins_over_the_one_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = a_file(tmp_path, "server: {port: 1, max_viewers: 2, max_upload_mb: 3}")
    monkeypatch.setenv("DEEPFAKE_MONITOR_SERVER__PORT", "10")
    monkeypatch.setenv("DEEPFAKE_MONITOR_SERVER__MAX_VIEWERS", "20")
    settings = load_settings(config, {"server": {"port": 100}})
    assert (settings.server.port, settings.server.max_viewers, settings.server.max_upload_mb) == (100, 20, 3)


def test_streams_of_all_layers_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = a_file(tmp_path, "streams: {door: rtsp://a/1, yard: {url: rtsp://a/2}}")
    monkeypatch.setenv("DEEPFAKE_MONITOR_STREAMS__gate", "rtsp://a/3")
    streams = load_settings(config, {"streams": {"door": "rtsp://b/1"}}).streams
    assert {name: entry.url for name, entry in streams.items()} == {
        "door": "rtsp://b/1",
        "yard": "rtsp://a/2",
        "gate": "rtsp://a/3",
    }


def test_a_list_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_SERVER__ALLOWED_ORIGINS", '["https://A.example"]')
    assert load_settings().server.allowed_origins == ("https://a.example",)


def test_empty_files_and_empty_sections_set_nothing(tmp_path: Path) -> None:
    assert load_settings(a_file(tmp_path, "")) == Settings()
    assert load_settings(a_file(tmp_path, "server:\nstreams:\n")) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("server: {prot: 1}", "server.prot: unknown setting", id="unknown nested key"),
        pytest.param("servr: {}", "servr: unknown setting", id="unknown key"),
        pytest.param("server: {port: http}", "server.port: expected: .*integer.*, got 'http'", id="wrong type"),
        pytest.param("server: {port: 70000}", "server.port: expected: .*65535, got 70000", id="out of range"),
        pytest.param("server: 7", "server: expected: .*ServerSettings, got 7", id="value for a section"),
        pytest.param("device: tpu", "device: expected: .*cuda.*, got 'tpu'", id="unknown device"),
        pytest.param(
            "analyzer: {face_rate: 1}", "analyzer: expected: face_rate_min <= face_rate", id="rates out of order"
        ),
        pytest.param(
            "sources: {allow_networks: [1.2.3/9]}", "sources.allow_networks.0: .*got '1.2.3/9'", id="bad network"
        ),
        pytest.param(
            "server: {allowed_origins: [x.y]}", "server.allowed_origins.0: expected: scheme://", id="bad origin"
        ),
        pytest.param(
            "webrtc: {ice_servers: [{urls: ['https://x']}]}",
            "webrtc.ice_servers.0.urls.0: expected: stun:HOST:PORT",
            id="no STUN address",
        ),
        pytest.param(
            "webrtc: {ice_servers: [{urls: ['stun://h:1']}]}",
            "webrtc.*expected: stun:HOST:PORT",
            id="STUN with slashes",
        ),
        pytest.param(
            "webrtc: {ice_servers: [{urls: ['turn:h']}]}", "webrtc.*expected: username and cred", id="TURN without user"
        ),
        pytest.param(
            "webrtc: {no_frame_timeout_s: 20}", "webrtc: expected: no_frame_timeout_s <= ended", id="never stalled"
        ),
        pytest.param("streams: {'a b': rtsp://h}", "streams.a b: expected", id="bad stream id"),
        pytest.param("streams: {a: ''}", "streams.a.url: expected", id="empty address"),
        pytest.param("- a\n- b", "expected a mapping of setting names, got list", id="a list"),
        pytest.param("1: 2", "expected a mapping of setting names", id="keys that are no names"),
        pytest.param("server: [", "line 1, column .*expected YAML", id="not YAML"),
        pytest.param("a: \x00", "expected YAML", id="control characters"),
        pytest.param(
            "!!python/object/apply:os.system [id]", "line 1, column 1: expected YAML", id="an attempt to run code"
        ),
    ],
)
def test_a_wrong_file_is_named_with_its_key_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    config = a_file(tmp_path, text)
    with pytest.raises(ConfigError, match=f"settings file {re.escape(str(config))}: {said}"):
        load_settings(config)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(a_file(tmp_path, "server: {port: x, prot: 1}"))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEEPFAKE_MONITOR_SERVR", "x", "environment: DEEPFAKE_MONITOR_SERVR: expected"),
        ("DEEPFAKE_MONITOR_SERVER__PROT", "1", "environment: DEEPFAKE_MONITOR_SERVER__PROT: unknown setting"),
        ("DEEPFAKE_MONITOR_SERVER__PORT", "x", "environment: DEEPFAKE_MONITOR_SERVER__PORT: expected: .*got 'x'"),
        ("DEEPFAKE_MONITOR_SERVER", "x", "environment: DEEPFAKE_MONITOR_SERVER: expected JSON"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        load_settings()


def test_a_wrong_command_line_is_named() -> None:
    with pytest.raises(ConfigError, match=r"command line: server\.port: expected"):
        load_settings(None, {"server": {"port": -1}})


@pytest.mark.parametrize("make", ["missing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: str) -> None:
    path = tmp_path / "x.yaml"
    if make == "folder":
        path.mkdir()
    elif make == "binary":
        path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match=f"settings file {re.escape(str(path))}: "):
        load_settings(path)


@pytest.mark.parametrize(
    "text",
    [
        "streams: {'a b': rtsp://u:hush@h/x}",
        "streams: {a: {url: rtsp://u:hush@h/x, more: 1}}",
        "streams: [rtsp://u:hush@h/x]",
        "webrtc: {ice_servers: [{urls: [], credential: hush}]}",
        "webrtc: {ice_servers: [{urls: ['turn:x'], credential: [hush]}]}",
        "streams: {a: 'rtsp://u:hush@h/x",
        "notifications: {rules: [{name: a, webhooks: [{url: https://h/x, secret: *hush1234}]}]}",
        "notifications: {rules: [{name: a, webhooks: [{url: https://h/x, secret: !hush1234 x}]}]}",
        "notifications: {rules: [{name: a, slack://hush/B: x}]}",
        "notifications: {rules: [{name: a, to: [{slack://hush/B: x}]}]}",
        "notifications: {slack://hush/B: 1}",
        "notifications: {rules: {slack://hush/B: {name: x}}}",
    ],
)
def test_no_error_message_holds_a_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(a_file(tmp_path, text))
    assert "hush" not in str(caught.value)
