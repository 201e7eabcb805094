from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.main import run


@pytest.fixture(autouse=True)
def _torch_threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_one_part_can_be_run_alone_and_leaves_its_figures_as_json(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run(["--quick", "--only", "score_cost", "--json", str(out)]) == 0
    written = json.loads(out.read_text())
    assert set(written) == {"machine", "command", "score_cost"}
    assert {"naive_over_cached", "faces_per_s", "backend"} <= set(written["score_cost"])
    assert written["command"].startswith("deepfake-monitor bench --quick")


def test_an_unknown_part_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--only", "nonsense"])
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err
