from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from analyzer.errors import ConfigError
from benchmarks import plots
from benchmarks.main import _whole_and_parts, run


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
    cost = written["score_cost"]
    assert {"naive_over_cached", "faces_per_s", "backend"} <= set(cost)
    assert cost["backend"] in cost["backends"]
    assert "torch float32" in cost["backends"]
    assert written["command"].startswith("deepfake-monitor bench --quick")


def test_a_figure_that_is_not_as_required_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["--quick", "--only", "parity", "--require", "parity.windows>=100"]
    assert run([*wanted, "--require", "score_cost.naive_over_cached>=1"]) == 1
    assert "score_cost.naive_over_cached was not measured" in capsys.readouterr().out


def test_a_requirement_that_is_none_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(ConfigError, match="expected KEY>=NUMBER"):
        run(["--only", "upload", "--require", "fast"])


def test_an_unknown_part_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--only", "nonsense"])
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_parity_is_measured_and_small(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run(["--quick", "--only", "parity", "--json", str(out)]) == 0
    written = json.loads(out.read_text())["parity"]
    assert written["windows"] == 100
    assert written["dp_max"] < 0.01, "see docs/performance.md"


def test_the_whole_is_compared_with_its_parts_of_the_same_run() -> None:
    best = {"streams": 10, "monitor_cores": 1.5, "scores_per_s_mean": 6.0, "decoded_share_min": 1.0}
    alone = {
        "decode_ms": 2.0,
        "detect_ms": 3.0,
        "network_ms": 7.0,
        "decode_only_streams": 0.0,
        "all_parts_streams": 0.0,
    }
    results: dict[str, Any] = {
        "streams": {"rtsp_720p25": {"held": 10, "attempts": [best]}},
        "ceilings": {"720p25": alone},
    }
    _whole_and_parts(results)
    assert results["pipeline"]["over_sum_of_parts"] == pytest.approx(150 / (2 * 25 + 10 * 6))


def test_what_was_measured_is_drawn(tmp_path: Path) -> None:
    attempt = {"streams": 4, "scores_per_s_min": 6.0, "p95_ms": 80.0, "stages_ms": {"look": [5.0, 9.0]}}
    results = {
        "throughput": {"backend": "openvino", "by_batch": {"1": 100.0, "4": 160.0}},
        "streams": {"rtsp_720p25": {"held": 4, "attempts": [attempt]}},
    }
    drawn = plots.draw(results, tmp_path)
    assert {path.name for path in drawn} == {"throughput.png", "streams.png", "stages.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_plots_that_cannot_be_written_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        run(["--only", "upload", "--plots", str(tmp_path / "file" / "below")])
