from __future__ import annotations

import shutil
from pathlib import Path

from stream_server.reference import main, settings_reference

DOCS = Path(__file__).parents[2] / "docs"


def test_writing_the_reference_again_changes_nothing(tmp_path: Path) -> None:
    for name in ("settings.md", "websocket.schema.json"):
        shutil.copy(DOCS / name, tmp_path)
    main(tmp_path)
    for name in ("settings.md", "websocket.schema.json"):
        assert (tmp_path / name).read_text() == (DOCS / name).read_text(), (
            "run `python -m stream_server.reference docs`"
        )


def test_every_setting_has_a_meaning() -> None:
    assert not [row for row in settings_reference() if row.endswith(("| None |", "|  |"))]
