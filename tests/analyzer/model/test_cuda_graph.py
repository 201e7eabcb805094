from __future__ import annotations

import pytest
import torch
from torch import Tensor

from analyzer.model import cuda_graph
from analyzer.model.cuda_graph import recorded
from analyzer.model.network import FrameFeatures
from tests.nets import lively_net

FACES = torch.zeros(2, 3, 8, 8)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def means(faces: Tensor) -> FrameFeatures:
    return FrameFeatures(faces, faces, faces.mean(dim=(1, 2, 3)), faces)


class Pretended:
    """Stands in for a recorded graph: there is no CUDA here."""

    off = 0.0

    def __init__(self, function: cuda_graph.FramePathCall, example: Tensor) -> None:
        self._function = function
        del example

    def __call__(self, faces: Tensor) -> FrameFeatures:
        made = self._function(faces)
        return made._replace(logit=made.logit + self.off)


def test_a_graph_that_says_the_same_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graph, "_FrameGraph", Pretended)
    assert isinstance(recorded(means, FACES), Pretended)


@pytest.mark.parametrize("off", [0.01, float("nan"), float("inf")])
def test_a_graph_that_says_something_else_is_not_used(
    off: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cuda_graph, "_FrameGraph", Pretended)
    monkeypatch.setattr(Pretended, "off", off)
    assert recorded(means, FACES) is means
    assert "not used" in caplog.text


def test_a_graph_that_repeats_what_it_was_recorded_with_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frozen(Pretended):
        def __init__(self, function: cuda_graph.FramePathCall, example: Tensor) -> None:
            super().__init__(function, example)
            self._made = function(example)

        def __call__(self, faces: Tensor) -> FrameFeatures:
            del faces
            return self._made

    monkeypatch.setattr(cuda_graph, "_FrameGraph", Frozen)
    assert recorded(means, FACES) is means


def test_where_recording_fails_every_kernel_is_launched_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(cuda_graph, "_FrameGraph", fail)
    assert recorded(means, FACES) is means
    assert "not permitted when stream is capturing" in caplog.text
    assert "more" not in caplog.text


@needs_cuda
def test_a_recorded_network_says_what_it_says_otherwise_and_keeps_its_word() -> None:
    net = lively_net().eval().cuda().half()
    faces = torch.randn(4, 3, 224, 224, device="cuda", dtype=torch.half).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        graph = recorded(net.frame_path, faces[:2])
        assert graph is not net.frame_path
        first = graph(faces[:2])
        before = first.logit.clone()
        second = graph(faces[2:])
        assert torch.equal(first.logit, before), "the next run must not change it"
        torch.testing.assert_close(first.logit, net.frame_path(faces[:2]).logit, atol=1e-3, rtol=0)
        torch.testing.assert_close(second.logit, net.frame_path(faces[2:]).logit, atol=1e-3, rtol=0)
