from __future__ import annotations

import numpy as np
import torch

from analyzer.config import IMAGENET_MEAN, IMAGENET_STD
from analyzer.model.network import DeepfakeNet, StageStatistics, WindowPath, cost, describe, preprocess
from tests.nets import lively_net, random_face


def _faces(count: int, start: int = 0) -> torch.Tensor:
    return preprocess(torch.from_numpy(np.stack([random_face(start + i) for i in range(count)])))


def test_the_frame_path_gives_features_a_map_and_an_opinion_for_each_face() -> None:
    with torch.inference_mode():
        frames = lively_net().frame_path(_faces(2))
    assert frames.features.shape == (2, 128, 7, 7)
    assert frames.attention.shape == (2, 1, 7, 7)
    assert frames.logit.shape == (2,)
    assert torch.equal(frames.attention, torch.sigmoid(frames.attention_logits))


def test_what_the_frame_path_says_of_a_face_does_not_depend_on_the_other_faces() -> None:
    net = lively_net()
    faces = _faces(3)
    with torch.inference_mode():
        together = net.frame_path(faces)
        alone = net.frame_path(faces[1:2])
    assert torch.allclose(together.features[1], alone.features[0], atol=1e-4)
    assert torch.allclose(together.logit[1], alone.logit[0], atol=1e-4)


def test_stage_statistics_start_without_a_say_and_read_mean_and_spread() -> None:
    statistics = StageStatistics(channels=(2, 1)).eval()
    maps = [torch.randn(3, 2, 5, 5), torch.randn(3, 1, 4, 4)]
    assert torch.equal(statistics(maps), torch.zeros(3))
    with torch.no_grad():
        statistics.head.weight.copy_(torch.tensor([[1.0, 0, 0, 0, 0, 0]]))
        mean = statistics(maps)
        statistics.head.weight.copy_(torch.tensor([[0, 0, 0, 1.0, 0, 0]]))
        spread = statistics(maps)
    torch.testing.assert_close(mean, maps[0][:, 0].mean(dim=(1, 2)), atol=1e-4, rtol=0)
    torch.testing.assert_close(spread, maps[0][:, 1].flatten(1).std(dim=1, correction=0).log(), atol=1e-3, rtol=0)


def test_statistics_of_flat_maps_are_finite_in_half_precision() -> None:
    statistics = StageStatistics(channels=(2,)).eval().half()
    torch.nn.init.ones_(statistics.head.weight)
    assert statistics([torch.full((1, 2, 7, 7), 300.0, dtype=torch.half)]).isfinite().all()


def test_the_window_path_hears_order_and_elapsed_time() -> None:
    path = lively_net().window_path
    features = torch.randn(1, 16, 128, 7, 7, generator=torch.Generator().manual_seed(1))
    elapsed_s = torch.full((1, 16), 0.16)
    with torch.inference_mode():
        logit = path(features, elapsed_s).logit
        assert (path(features.flip(1), elapsed_s).logit - logit).abs() > 1e-2
        assert (path(features, elapsed_s * 4).logit - logit).abs() > 1e-2


def test_windows_of_one_batch_do_not_mix() -> None:
    path = lively_net().window_path
    features = torch.randn(3, 16, 128, 7, 7, generator=torch.Generator().manual_seed(2))
    elapsed_s = torch.rand(3, 16, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        together = path(features, elapsed_s)
        alone = path(features[2:], elapsed_s[2:])
    assert torch.allclose(together.logit[2:], alone.logit, atol=1e-4)
    assert torch.allclose(together.attention[2:], alone.attention, atol=1e-4)


def test_the_whole_network_is_its_two_paths_and_the_calibration() -> None:
    net = lively_net()
    faces = _faces(16).unsqueeze(0)
    elapsed_s = torch.full((1, 16), 0.16)
    with torch.inference_mode():
        frames = net.frame_path(faces[0])
        window = net.window_path(frames.features.half().float().unsqueeze(0), elapsed_s)
        expected = 0.9 * window.logit + 0.4 * frames.logit.mean() - 0.2
        assert torch.allclose(net(faces, elapsed_s), expected, atol=1e-5)


def test_calibration_starts_as_the_bare_window_logit() -> None:
    net = DeepfakeNet()
    assert net.calibrated(torch.tensor([1.5]), torch.ones(1, 16)).item() == 1.5
    assert {name for name, _ in net.calibration.named_buffers()} == {"a", "b", "c"}


def test_calibration_answers_in_float32_to_half_precision() -> None:
    logit = DeepfakeNet().calibrated(torch.ones(1, dtype=torch.half), torch.ones(1, 16, dtype=torch.half))
    assert logit.dtype == torch.float32


def test_gradients_reach_every_parameter_of_both_paths() -> None:
    torch.manual_seed(1)
    net = DeepfakeNet().train()
    frames = net.frame_path(torch.randn(16, 3, 64, 64))
    window = WindowPath.forward(net.window_path, frames.features.unsqueeze(0), torch.rand(1, 16))
    (window.logit.sum() + frames.logit.sum() + frames.attention_logits.sum()).backward()
    untouched = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert untouched == []


def test_preprocess_is_imagenet_normalisation_of_rgb_bytes() -> None:
    pixels = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    pixels[1, 5, 9] = torch.tensor([255, 128, 0], dtype=torch.uint8)
    x = preprocess(pixels)
    assert x.shape == (2, 3, 224, 224)
    assert x.dtype == torch.float32
    wanted = (torch.tensor([1.0, 128 / 255, 0.0]) - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    assert torch.allclose(x[1, :, 5, 9], wanted, atol=1e-5)


def test_the_cost_stays_within_what_one_score_may_take() -> None:
    frame, window = cost(DeepfakeNet())
    assert 300e6 < frame.macs <= 400e6
    assert 60e6 < window.macs <= 160e6
    assert frame.parameters + window.parameters < 5e6  # under 10 MB in fp16
    # naive recompute of a window against one new face
    assert (16 * frame.macs + window.macs) / (frame.macs + window.macs) > 8


def test_counting_the_cost_leaves_every_module_in_its_mode() -> None:
    net = DeepfakeNet().train()
    net.frame_path.backbone.eval()
    modes = [module.training for module in net.modules()]
    text = describe(net)
    assert [module.training for module in net.modules()] == modes
    assert "frame path" in text
    assert "MMACs per window" in text
