from __future__ import annotations

import json
from pathlib import Path

from analyzer.training.reporting.metrics_log import METRICS, MetricsLog


def test_lines_are_added_until_a_run_begins_anew(tmp_path: Path) -> None:
    MetricsLog(tmp_path)({"step": 1})
    MetricsLog(tmp_path)({"step": 2})
    assert [json.loads(line)["step"] for line in (tmp_path / METRICS).read_text().splitlines()] == [1, 2]
    MetricsLog(tmp_path, anew=True)
    assert not (tmp_path / METRICS).exists()


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    MetricsLog(tmp_path)({"file": b"M\xfcller.jpg".decode(errors="surrogateescape"), "ok": "Zoë"})
    (line,) = (tmp_path / METRICS).read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["ok"] == "Zoë"
