from __future__ import annotations

from pathlib import Path

import pytest

from stream_server import doctor
from stream_server.doctor import Check, Found, examine
from stream_server.server import listen
from stream_server.settings import ServerSettings, Settings, SourceSettings


def looked_at(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in examine(settings)}


def test_everything_that_the_monitor_needs_is_looked_at(tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    with listen(Settings(server=ServerSettings(port=0))) as taken:
        port = taken.getsockname()[1]
        sources = SourceSettings(folders=(tmp_path / "gone",))
        checks = looked_at(Settings(weights=missing, server=ServerSettings(port=port), sources=sources))
    assert set(checks) == {
        "Python", "packages", "OpenCV", "device", "weights", "face detector", "codecs", "dashboard", "port", "uploads",
        "file folders",
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
