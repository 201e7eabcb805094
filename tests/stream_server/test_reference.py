from __future__ import annotations

import shutil
from pathlib import Path

from stream_server.reference import main, settings_reference

ROOT = Path(__file__).parents[2]
MADE = ("README.md", "docs/settings.md", "docs/websocket.schema.json", "weights/README.md")


def test_writing_the_reference_again_changes_nothing(tmp_path: Path) -> None:
    for name in ("docs", "weights"):
        (tmp_path / name).mkdir()
    cards = [str(path.relative_to(ROOT)) for path in (ROOT / "weights").glob("*.json")]
    for name in (*MADE, *cards):
        shutil.copy(ROOT / name, tmp_path / name)
        if name in cards:
            (tmp_path / name).with_suffix(".safetensors").touch()
    main(tmp_path / "docs")
    for name in MADE:
        assert (tmp_path / name).read_text() == (ROOT / name).read_text(), (
            "run `python -m stream_server.reference docs`"
        )


def test_every_setting_has_a_meaning() -> None:
    assert not [row for row in settings_reference() if row.endswith(("| None |", "|  |"))]
