from __future__ import annotations

from pathlib import Path

import torch

from analyzer.model.network import DeepfakeNet
from analyzer.training.fit.encoded import Encoded, digest_of, load_encoded, save_encoded

CPU = torch.device("cpu")


def test_encoded_windows_come_back_only_for_what_made_them(tmp_path: Path) -> None:
    path = tmp_path / "windows.safetensors"
    encoded = Encoded(
        torch.rand(2, 16, 128, 7, 7).half(), torch.rand(2, 16), torch.rand(2, 16), torch.tensor([0.0, 1.0]),
        torch.tensor([-1, -1]),
    )  # fmt: skip
    assert load_encoded(path, "x", CPU) is None
    save_encoded(path, encoded, "x")
    back = load_encoded(path, "x", CPU)
    assert back is not None
    assert all(torch.equal(a, b) for a, b in zip(encoded, back, strict=True))
    assert load_encoded(path, "y", CPU) is None
    path.write_bytes(path.read_bytes()[:1000])
    assert load_encoded(path, "x", CPU) is None


def test_a_digest_depends_on_the_frame_path_alone() -> None:
    net = DeepfakeNet()
    before = digest_of(net)
    with torch.no_grad():
        net.get_parameter("window_path.head.1.weight").add_(1.0)
    assert digest_of(net) == before
    with torch.no_grad():
        net.get_parameter("frame_path.head.1.weight").add_(1.0)
    assert digest_of(net) != before
