from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
from aiortc.rtcicetransport import parse_stun_turn_uri
from pydantic import ValidationError

from analyzer.config import AnalyzerConfig
from stream_server.reference import settings_reference
from stream_server.settings.layers import load_settings
from stream_server.settings.schema import AlertSettings, AnalyzerSettings, IceServer, Settings, SourceSettings
from stream_server.streams.stream import StreamSettings
from stream_server.web.routes.whip import WhipConfig

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("DEEPFAKE_MONITOR_"):
            monkeypatch.delenv(name)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().server.port = 1  # type: ignore[misc]  # that is the point


def test_settings_made_by_hand_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_SERVER__PORT", "1")
    assert Settings().server.port == 8000


def test_printing_settings_shows_no_password() -> None:
    settings = load_settings(
        None,
        {
            "streams": {"a": "rtsp://u:hush@h"},
            "webrtc": {"ice_servers": [{"urls": ["turn:x"], "username": "u", "credential": "hush"}]},
        },
    )
    assert "hush" not in repr(settings)
    assert "hush" not in repr(WhipConfig.of(settings))


def test_the_analyzer_section_is_the_analyzers_own_config() -> None:
    assert AnalyzerSettings().config() == AnalyzerConfig()
    assert set(AnalyzerSettings.model_fields) == {field.name for field in fields(AnalyzerConfig)}


def test_the_sources_section_is_the_registrys_own_settings() -> None:
    assert SourceSettings().config(AlertSettings()) == StreamSettings()
    names = {*SourceSettings.model_fields, *AlertSettings.model_fields, "private", "recorded"}
    assert names == {field.name for field in fields(StreamSettings)}


@pytest.mark.parametrize(
    "alerts",
    [
        {"sensitivity": "loud"},
        {"sensitivities": {"a b": "quiet"}},
        {"sensitivities": {"door": 1}},
        {"x": 1},
        {"may_repeat": [""]},
        {"may_repeat": ["a b"]},
        {"may_repeat": ["[a]"]},
    ],
)
def test_a_sensitivity_that_there_is_not_is_refused(alerts: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AlertSettings.model_validate(alerts)


@pytest.mark.parametrize(
    "url",
    ["stun:h", "stuns:h:1", "turn:h.example", "turn:10.0.0.1:3478?transport=udp", "turns:h:443?transport=tcp"],
)
def test_aiortc_can_read_every_ice_server_that_is_taken(url: str) -> None:
    assert parse_stun_turn_uri(IceServer(urls=(url,), username="u", credential="c").urls[0])


def test_the_webrtc_section_is_the_publishers_own_config() -> None:
    assert WhipConfig.of(Settings()) == WhipConfig()


def test_every_setting_stands_in_the_docs_with_its_default() -> None:
    text = (DOCS / "settings.md").read_text()
    missing = [row for row in settings_reference() if row not in text]
    assert not missing, "run `python -m stream_server.reference docs` and fill in what is missing"
