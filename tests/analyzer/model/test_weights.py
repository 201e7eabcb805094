from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from analyzer.errors import WeightsError
from analyzer.model.network import ARCHITECTURE, WITHOUT_STATISTICS, DeepfakeNet
from analyzer.model.weights import (
    CalibrationValues,
    InputSpec,
    WeightsCard,
    default_weights_dir,
    find_weights,
    load_weights,
    read_card,
    save_weights,
)
from tests.nets import lively_net

CARD = WeightsCard("tiny", "0.1", "2026-01-02", "for tests", ("made-up faces, CC0",), "Apache-2.0")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(lively_net(), CARD, path)
    return path.read_bytes()


def _place(folder: Path, data: bytes, name: str = "x.safetensors", **changes: object) -> Path:
    """A file with a card that vouches for it, however wrong it is."""
    path = folder / name
    path.write_bytes(data)
    card = replace(
        CARD,
        architecture=ARCHITECTURE,
        sha256=hashlib.sha256(data).hexdigest(),
        calibration=CalibrationValues(0.9, 0.4, -0.2),
        **changes,  # type: ignore[arg-type]  # the tests name real fields
    )
    path.with_suffix(".json").write_text(card.to_json())
    return path


def test_saved_weights_come_back_within_fp16(tmp_path: Path) -> None:
    net = lively_net()
    path = tmp_path / "deep" / "tiny.safetensors"
    written = save_weights(net, CARD, path)
    state, card = load_weights(path)
    assert card == written
    assert card.architecture == ARCHITECTURE
    assert card.calibration.a == pytest.approx(0.9)
    DeepfakeNet().load_state_dict(state)
    for name, tensor in net.state_dict().items():
        assert torch.allclose(state[name], tensor, rtol=1e-3, atol=1e-6), name
        assert state[name].dtype == tensor.dtype, name
    assert path.stat().st_size < 20e6
    assert sorted(p.name for p in path.parent.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_weights_from_before_the_statistics_are_loaded_with_a_head_that_ignores_them(tmp_path: Path) -> None:
    net = lively_net()
    old = {name: tensor for name, tensor in net.state_dict().items() if "statistics" not in name}
    path = _place(tmp_path, safetensors.torch.save(old))
    card = replace(read_card(path), architecture=WITHOUT_STATISTICS)
    path.with_suffix(".json").write_text(card.to_json())
    loaded = DeepfakeNet().eval()
    loaded.load_state_dict(load_weights(path)[0])
    torch.nn.init.zeros_(net.frame_path.statistics.head.weight)
    faces = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(loaded.frame_path(faces).logit, net.frame_path(faces).logit)


def test_weights_that_lack_the_statistics_they_should_have_are_refused(tmp_path: Path) -> None:
    cut = {name: tensor for name, tensor in lively_net().state_dict().items() if "statistics" not in name}
    with pytest.raises(WeightsError, match=r"lacks 5 tensors \(frame_path\.statistics"):
        load_weights(_place(tmp_path, safetensors.torch.save(cut)))


def test_saving_again_replaces_file_and_card_together(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_weights(lively_net(), CARD, path)
    net = lively_net()
    net.calibration.c.fill_(0.5)
    save_weights(net, replace(CARD, version="0.2"), path)
    state, card = load_weights(path)
    assert card.version == "0.2"
    assert state["calibration.c"] == 0.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6], ids=["nan", "inf", "beyond fp16"])
def test_a_network_that_diverged_is_not_saved(tmp_path: Path, value: float) -> None:
    net = lively_net()
    with torch.no_grad():
        net.window_path.time_code.position[3, 4] = value
    with pytest.raises(WeightsError, match="position"):
        save_weights(net, CARD, tmp_path / "bad.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_refused_by_its_checksum(tmp_path: Path, saved: bytes) -> None:
    path = _place(tmp_path, saved)
    path.write_bytes(saved[:-1] + bytes([saved[-1] ^ 1]))
    with pytest.raises(WeightsError, match="sha256"):
        load_weights(path)


def test_a_truncated_file_is_refused_by_its_checksum(tmp_path: Path, saved: bytes) -> None:
    path = _place(tmp_path, saved)
    path.write_bytes(saved[: len(saved) // 2])
    with pytest.raises(WeightsError, match="cut short"):
        load_weights(path)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 7, id="shorter than a header"),
        pytest.param(struct.pack("<Q", 1 << 62) + b"{}", id="header of 4 exabytes"),
        pytest.param(struct.pack("<Q", 2) + b"{}", id="no tensors"),
        pytest.param(struct.pack("<Q", 90_000_000) + b"{" * 100, id="header longer than the file"),
        pytest.param(struct.pack("<Q", 10) + b"not json!!", id="header is no json"),
        pytest.param(b"PK\x03\x04 a zip", id="a zip file"),
    ],
)
@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
def test_what_is_no_weights_file_is_refused_even_with_a_right_checksum(tmp_path: Path, data: bytes, name: str) -> None:
    with pytest.raises(WeightsError, match="x"):
        load_weights(_place(tmp_path, data, name))


class _Bomb:
    """Unpickled without care, this would create the file that it names."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._path,)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": _Bomb(tmp_path / "boom")}, path)
    with pytest.raises(WeightsError, match="no readable weights file"):
        load_weights(_place(tmp_path, path.read_bytes(), "x.pth"))
    assert not (tmp_path / "boom").exists()


def test_a_pth_of_plain_tensors_is_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    torch.save(lively_net().state_dict(), raw)
    state, _ = load_weights(_place(tmp_path, raw.read_bytes(), "x.pth"))
    assert torch.equal(state["window_path.head.1.weight"], lively_net().window_path.head[1].weight)  # type: ignore[arg-type]  # a tensor


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {3: torch.zeros(1)}], ids=["list", "numbers", "keys"])
def test_a_pth_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    raw = tmp_path / "raw"
    torch.save(content, raw)
    with pytest.raises(WeightsError, match="expected"):
        load_weights(_place(tmp_path, raw.read_bytes(), "x.pth"))


def _without(state: dict[str, Tensor]) -> None:
    del state["window_path.pool.weigh.bias"]


def _with_more(state: dict[str, Tensor]) -> None:
    state["classifier.weight"] = torch.zeros(3)


def _misshapen(state: dict[str, Tensor]) -> None:
    state["window_path.pool.weigh.bias"] = torch.zeros(2)


def _whole_numbers(state: dict[str, Tensor]) -> None:
    state["window_path.pool.weigh.bias"] = torch.zeros(1, dtype=torch.int8)


def _nan(state: dict[str, Tensor]) -> None:
    state["window_path.pool.weigh.bias"] = torch.tensor([float("nan")])


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_without, "lacks 1 tensors"),
        (_with_more, r"classifier\.weight"),
        (_misshapen, "of shape"),
        (_whole_numbers, "int8"),
        (_nan, "NaN"),
    ],
)
def test_tensors_of_another_network_are_named(
    tmp_path: Path, spoil: Callable[[dict[str, Tensor]], None], named: str
) -> None:
    state = lively_net().state_dict()
    spoil(state)
    with pytest.raises(WeightsError, match=named):
        load_weights(_place(tmp_path, safetensors.torch.save(state)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"calibration": CalibrationValues(0.9, 0.4, 0.3)}, "calibration"),
        ({"architecture": "resnet-18"}, "resnet-18"),
        ({"input": InputSpec(size=160)}, "160"),
        ({"input": InputSpec(mean=(0.5, 0.5, 0.5))}, "expects input"),
        ({"threshold": 1.5}, "threshold"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_card_that_does_not_fit_the_file_or_this_code_is_refused(
    tmp_path: Path, saved: bytes, changes: dict[str, object], named: str
) -> None:
    path = _place(tmp_path, saved)
    path.with_suffix(".json").write_text(replace(read_card(path), **changes).to_json())  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=named):
        load_weights(path)


def test_a_missing_file_is_named(tmp_path: Path, saved: bytes) -> None:
    path = _place(tmp_path, saved)
    path.unlink()
    with pytest.raises(WeightsError, match=r"x\.safetensors"):
        load_weights(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path, saved: bytes) -> None:
    path = _place(tmp_path, saved)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: takes no room
    with pytest.raises(WeightsError, match="more than"):
        load_weights(path)


def test_the_shipped_weights_load() -> None:
    path = find_weights(default_weights_dir())
    if path is None:
        pytest.skip("no weights are shipped yet")
    _, card = load_weights(path)
    assert json.loads(path.with_suffix(".json").read_text())["name"] == card.name
    assert path.stat().st_size < 20e6
