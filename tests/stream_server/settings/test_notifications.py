from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from analyzer.errors import ConfigError
from stream_server.notify.targets import rule_targets
from stream_server.settings.layers import load_settings
from stream_server.settings.notifications import MAX_TARGETS, NotificationSettings
from stream_server.settings.schema import Settings
from tests.stream_server.notify.rules_of import HOOK, MAIL, SECRET, a_rule, a_webhook

GOOD = """
notifications:
  rules:
    - name: night-shift
      to: ["json://127.0.0.1:9/a-token-of-a-test"]
      webhooks:
        - url: https://hooks.example/services/a-token-of-a-test
          secret: a-secret-word-of-a-test
      streams: [door, cam]
      kinds: [suspected manipulation, black picture]
      when: both
      min_duration_s: 5
      cooldown_s: 300
      quiet_hours: "22:00-06:00"
      time_zone: Europe/Berlin
"""


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    return load_settings(path)


def test_a_rule_is_read_from_the_file_and_makes_its_targets(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    ((rule, targets),) = rule_targets(settings.notifications, None)
    assert (rule.name, rule.when, rule.cooldown_s, rule.quiet is not None) == ("night-shift", "both", 300, True)
    assert [target.label for target in targets] == ["1: json://***", "2: https://hooks.example/***"]


def test_by_default_nobody_is_told() -> None:
    assert rule_targets(Settings().notifications, None) == []


def test_no_way_to_show_settings_shows_a_secret(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    shown += json.dumps(settings.model_dump(mode="json")) + repr(rule_targets(settings.notifications, None))
    assert "a-token" not in shown
    assert "a-secret-word" not in shown
    assert "night-shift" in shown


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("22:00-06:00", "a-token-of-a-test", "rule 'night-shift': expected quiet_hours such as"),
        ("Europe/Berlin", "a-token-of-a-test", "time_zone (rule 'night-shift'): expected: the name of a time zone"),
        ("when: both", "when: a-token-of-a-test", "when (rule 'night-shift'): expected: Input should be"),
        ("https://hooks", "ftp://hooks", "(rule 'night-shift'): expected: http://host/path"),
        ("https://hooks.example", "https://u:a-token-of-a-test@hooks.example", "without user and password"),
        ("secret: a-secret-word-of-a-test", "secret: a-token", "secret (rule 'night-shift'): expected: Value should"),
        ("      when: both", "      whom: a-token-of-a-test", "whom (rule 'night-shift'): unknown setting"),
        ('to: ["json:', 'to: [5, "json:', "to.0 (rule 'night-shift'): expected"),
        ('to: ["json', 'to: "json', "(rule 'night-shift'): expected"),
        ("name: night-shift", "name: a token-of-a-test", "name: expected"),
        ("min_duration_s: 5", "min_duration_s: -5", "min_duration_s (rule 'night-shift'): expected"),
        ("[door, cam]", "['a token-of-a-test']", "streams.0 (rule 'night-shift'): expected"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_named_and_nothing_secret_repeated(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if old.startswith('to: ["json') and not new.startswith("to: ["):
        text = text.replace('test"]', 'test"', 1)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert words in str(refused.value)
    assert "token-of" not in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_rules_need_different_names() -> None:
    with pytest.raises(ValidationError, match="different names, got all more than once"):
        NotificationSettings(rules=(a_rule(), a_rule()))


def test_a_rule_needs_a_target() -> None:
    with pytest.raises(ValidationError, match="rule 'all': expected at least one target"):
        a_rule(webhooks=())


def test_all_targets_together_are_bounded() -> None:
    rules = tuple(a_rule(name=f"r{i}", webhooks=(a_webhook(),) * 16) for i in range(MAX_TARGETS // 16))
    NotificationSettings(rules=rules)
    with pytest.raises(ValidationError, match="at most 64 targets"):
        NotificationSettings(rules=(*rules, a_rule()))


@pytest.mark.parametrize(
    ("url", "words"), [("nosuch://a-token-of-a-test", "nosuch://"), ("json://169.254.169.254/a-token", "denied")]
)
def test_a_target_that_cannot_be_used_names_its_rule(url: str, words: str) -> None:
    rule = a_rule(name="night", to=(SecretStr(MAIL), SecretStr(url)))
    with pytest.raises(ConfigError, match=rf"rule 'night': target 2: .*{words}") as refused:
        rule_targets(NotificationSettings(rules=(rule,)), None)
    assert "token" not in str(refused.value)


def test_rules_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [{"name": "night", "webhooks": [{"url": HOOK, "secret": SECRET}]}]
    monkeypatch.setenv("DEEPFAKE_MONITOR_NOTIFICATIONS__RULES", json.dumps(rules))
    assert load_settings().notifications.rules[0].name == "night"
    rules[0]["time_zone"] = "a-token-of-a-test"
    monkeypatch.setenv("DEEPFAKE_MONITOR_NOTIFICATIONS__RULES", json.dumps(rules))
    with pytest.raises(ConfigError, match="name of a time zone") as refused:
        load_settings()
    assert "token" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://monitor.example", "http://10.0.0.1:8000/", "https://a.example/monitor"])
def test_the_public_address_is_a_plain_one(url: str, tmp_path: Path) -> None:
    assert load(tmp_path, f"server: {{public_url: '{url}'}}").server.public_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["monitor.example", "https://u:p@monitor.example", "https://a/?b", "https://a/#b", "x:y"]
)
def test_other_public_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"public_url: expected: an address"):
        load(tmp_path, f"server: {{public_url: '{url}'}}")
