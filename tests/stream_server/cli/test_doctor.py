from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from analyzer.errors import ConfigError
from stream_server.cli import doctor
from stream_server.cli.doctor import Check, Found, examine
from stream_server.cli.server import listen
from stream_server.events.evidence_zip.keys import load_or_make_key
from stream_server.settings.notifications import NotificationRule, NotificationSettings
from stream_server.settings.schema import ServerSettings, Settings, SourceSettings, StorageSettings
from stream_server.store.database import FILE, Database


def looked_at(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in examine(settings)}


def test_everything_that_the_monitor_needs_is_looked_at(tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    with listen(Settings(server=ServerSettings(port=0))) as taken:
        port = taken.getsockname()[1]
        sources = SourceSettings(folders=(tmp_path / "gone",))
        checks = looked_at(Settings(weights=missing, server=ServerSettings(port=port), sources=sources))
    assert set(checks) == {
        "Python", "packages", "OpenCV", "device", "weights", "face detector", "codecs", "hardware decoding",
        "dashboard", "port", "uploads", "file folders", "storage", "notifications",
    }  # fmt: skip
    assert {name for name, check in checks.items() if check.found is Found.PROBLEM} == {"weights", "device"}
    assert str(missing) in checks["weights"].what
    assert checks["port"].found is Found.WARNING
    assert "another program" in checks["port"].what
    assert checks["file folders"].found is Found.WARNING
    assert "YuNet" in checks["face detector"].what
    assert "h264" in checks["codecs"].what


def test_whatever_is_not_well_comes_with_advice_or_says_what_to_do(tmp_path: Path) -> None:
    for check in examine(Settings(server=ServerSettings(upload_folder=tmp_path / "gone"))):
        assert check.found is Found.OK or check.advice or ":" in check.what, check


def test_a_folder_for_uploads_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    checks = looked_at(Settings(server=ServerSettings(upload_folder=tmp_path / "gone")))
    assert checks["uploads"].found is Found.PROBLEM


def test_two_opencv_wheels_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wheel:
        def __init__(self, name: str) -> None:
            self.name = name

    wheels = [Wheel("opencv-python-headless"), Wheel("OpenCV-Python"), Wheel("numpy")]
    monkeypatch.setattr(doctor, "distributions", lambda: wheels)
    check = looked_at(Settings())["OpenCV"]
    assert check.found is Found.PROBLEM
    assert "opencv-python, opencv-python-headless overwrite" in check.what


def test_little_room_for_uploads_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ENOUGH_BYTES", 10**18)
    assert looked_at(Settings())["uploads"].found is Found.WARNING


def _storage_check(**storage: Any) -> Check:
    return doctor._storage(Settings(storage=StorageSettings(**storage)))


def test_a_data_folder_that_is_not_there_yet_is_fine_and_is_not_made(tmp_path: Path) -> None:
    check = _storage_check(data_dir=tmp_path / "a" / "b")
    assert (check.found, "not there yet" in check.what) == (Found.OK, True)
    assert not (tmp_path / "a").exists()


def test_a_database_in_use_is_looked_at_without_disturbing_it(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.prepare()
    load_or_make_key(tmp_path)
    check = _storage_check(data_dir=tmp_path)
    database.close()
    assert check.found is Found.OK
    assert f"{FILE}: tables " in check.what
    assert load_or_make_key(tmp_path).public.fingerprint in check.what


def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, " * 100)
    check = next(check for check in examine_storage(tmp_path))
    assert check.found is Found.PROBLEM
    assert "move it away" in check.what


def examine_storage(folder: Path) -> Iterator[Check]:
    """As `doctor` shows it."""
    settings = Settings(storage=StorageSettings(data_dir=folder))
    return (check for check in examine(settings) if check.name == "storage")


def test_a_data_folder_below_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check = _storage_check(data_dir=tmp_path / "file" / "data")
    assert (check.found, check.advice) == (Found.PROBLEM, "choose another folder with --data-dir")


def test_a_server_that_is_not_there_is_a_warning_without_its_password(tmp_path: Path) -> None:
    check = _storage_check(data_dir=tmp_path, database_url=SecretStr("postgresql://u:hidden@127.0.0.1:1/d"))
    assert check.found is Found.WARNING
    assert "hidden" not in f"{check}"


def test_without_storage_there_is_nothing_to_check() -> None:
    assert "nothing is kept" in _storage_check(enabled=False).what


def test_notification_rules_are_looked_at_and_nothing_is_sent() -> None:
    rule = NotificationRule(
        name="night", to=(SecretStr("json://127.0.0.1:9/a-token"), SecretStr("json://127.0.0.1:9/another-token"))
    )
    with_rule = Settings(notifications=NotificationSettings(rules=(rule,)))
    check = doctor._notifications(with_rule)
    assert (check.found, check.what) == (Found.OK, "rules with their targets: night (2); nothing was sent")
    without_storage = with_rule.model_copy(update={"storage": StorageSettings(enabled=False)})
    assert doctor._notifications(without_storage).found is Found.PROBLEM
    assert doctor._notifications(Settings()).what == "no rule"


def test_a_rule_that_cannot_be_used_is_a_problem_without_its_secret() -> None:
    rule = NotificationRule(name="night", to=(SecretStr("nosuch://a-token"),))
    settings = Settings(notifications=NotificationSettings(rules=(rule,)))
    with pytest.raises(ConfigError, match="rule 'night': target 1") as refused:
        doctor._notifications(settings)
    assert "a-token" not in str(refused.value)
