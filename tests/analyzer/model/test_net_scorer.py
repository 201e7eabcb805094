from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import FaceCrop, FaceKey, NotScored, Pixels, Score
from analyzer.errors import ConfigError, ScorerError, WeightsError
from analyzer.model import net_scorer
from analyzer.model.net_scorer import NetScorer, make_scorer
from analyzer.model.network import DeepfakeNet, preprocess
from analyzer.model.torch_backend import TorchBackend
from analyzer.model.weights import WeightsCard, default_weights_dir, find_weights, load_weights, save_weights
from analyzer.model.window_bank import elapsed
from analyzer.scorer import Scorer, ScorerInfo
from tests.nets import FIT, crop_of, lively_net, random_face

CONFIG = AnalyzerConfig(max_windows=4, torch_threads=1)
CARD = WeightsCard("lively", "0.1", "2026-01-02", "for tests", ("made-up faces, CC0",), "Apache-2.0")
DEVICES = [
    ("cpu", "torch"),
    ("cpu", "openvino"),
    pytest.param(("cuda", "torch"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lively.safetensors"
    save_weights(lively_net(), CARD, path)
    return path


@pytest.fixture
def threads() -> Iterator[None]:
    """torch's thread count is one for the process: put it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scorer(weights: Path, threads: None) -> Iterator[NetScorer]:
    """In float32, for what is compared to the last digits."""
    made = make_scorer(weights, "cpu", CONFIG, backend="torch")
    yield made
    made.close()


def _times(count: int, start_s: float, seed: int) -> list[float]:
    """Uneven, as live faces come: 40 to 400 ms apart."""
    pauses = np.random.default_rng(seed).uniform(0.04, 0.4, count)
    return [float(at_s) for at_s in start_s + np.cumsum(pauses)]


def _plain(weights: Path) -> DeepfakeNet:
    net = DeepfakeNet()
    net.load_state_dict(load_weights(weights)[0])
    return net.eval()


def _recompute(net: DeepfakeNet, crops: list[FaceCrop]) -> float:
    """The contract's other side: the plain network in float32, all 16 crops at once."""
    pixels = np.stack([crop.pixels for crop in crops if crop.pixels is not None])
    with torch.inference_mode():
        batch = preprocess(torch.from_numpy(pixels)).unsqueeze(0)
        return float(net(batch, elapsed([[crop.received_at_s for crop in crops]])))


def _stream(scorer: Scorer) -> list[tuple[list[FaceCrop], Score]]:
    """Three faces that come interleaved, one of them late, long enough for their rings to wrap; each score beside
    the 16 crops that it must rest on."""
    histories: dict[int, list[FaceCrop]] = {1: [], 2: [], 3: []}
    times = _times(36, 1e6, seed=1)
    scored = []
    for step, at_s in enumerate(times):
        faces = [1] if step % 3 == 1 else [2, 1]
        if step >= 18:
            faces.append(3)
        crops = [crop_of(random_face(100 * face + step), face_id=face, at_s=at_s) for face in faces]
        for crop, update in zip(crops, scorer.push(crops), strict=True):
            history = histories[crop.key.face_id]
            history.append(crop)
            assert update.key == crop.key
            assert update.filled == min(len(history), NUM_FRAMES)
            if update.score is not None:
                scored.append((history[-NUM_FRAMES:], update.score))
    return scored


@pytest.mark.parametrize("where", DEVICES, ids="-".join)
def test_streaming_through_the_bank_equals_the_batch_recompute(
    where: tuple[str, str], weights: Path, threads: None
) -> None:
    device, backend = where
    scorer = make_scorer(weights, device, CONFIG, backend=backend)
    assert scorer.info.device.startswith(device)
    assert scorer.info.backend.startswith(backend)
    # what was never written, or belongs to another window, must never be read
    assert scorer._bank._features is not None
    scorer._bank._features.fill_(float("nan"))
    scorer._bank._logits.fill_(float("nan"))
    scored = _stream(scorer)
    assert len(scored) == 21 + 9 + 3
    logits = np.array([score.logit for _, score in scored])
    assert logits.std() > 0.2, "too alike to notice a mistake"
    net = _plain(weights)
    for crops, score in scored[::4]:
        clip = scorer.score_clip(
            [crop.pixels for crop in crops if crop.pixels is not None], [crop.received_at_s for crop in crops]
        )
        assert clip is not None
        assert abs(clip.logit - score.logit) < 1e-3
        # half precision moves the logit, and that of a random network, which hangs on noise, more than a trained one's
        assert abs(_recompute(net, crops) - score.logit) < (1e-3 if "float32" in scorer.info.backend else 0.2)
    scorer.close()


def test_keeping_features_in_fp16_hardly_moves_the_logit(scorer: NetScorer, weights: Path) -> None:
    net = _plain(weights)
    for crops, score in _stream(scorer)[::8]:
        pixels = np.stack([crop.pixels for crop in crops if crop.pixels is not None])
        with torch.inference_mode():
            frames = net.frame_path(preprocess(torch.from_numpy(pixels)))
            times = elapsed([[crop.received_at_s for crop in crops]])
            window = net.window_path(frames.features.unsqueeze(0), times)
            logit = float(net.calibrated(window.logit, frames.logit.unsqueeze(0)))
        # a random network hangs on noise more than a trained one, which stays under 1e-3
        assert abs(logit - score.logit) < 2e-3


def test_a_wrong_order_or_face_would_break_the_contract(scorer: NetScorer, weights: Path) -> None:
    net = _plain(weights)
    crops, score = _stream(scorer)[0]
    assert abs(_recompute(net, [crops[1], crops[0], *crops[2:]]) - score.logit) > 2e-3
    stranger = replace(crops[7], pixels=random_face(9999))
    assert abs(_recompute(net, [*crops[:7], stranger, *crops[8:]]) - score.logit) > 2e-3


def test_a_score_says_what_it_rests_on(weights: Path, threads: None) -> None:
    loaded = make_scorer(weights, "cpu", CONFIG)
    backend = TorchBackend(lively_net(), torch.device("cpu"), 1)
    scorer = NetScorer(backend, loaded.info, CONFIG, clock=lambda: 77.0)
    face = random_face(1)
    updates = [scorer.push([crop_of(face, at_s=i * 0.1, generation=3)])[0] for i in range(16)]
    assert all(update.score is None for update in updates[:15])
    score = updates[15].score
    assert score is not None
    assert (score.generation, score.frame_index, score.window) == (3, 45, 16)
    assert score.received_at_s == score.pts_s == 1.5
    assert score.scored_at_s == 77.0
    assert score.fake_probability == pytest.approx(1 / (1 + math.exp(-score.logit)))


def test_evidence_is_of_the_very_faces_of_the_window_and_streaming_equals_batch(
    scorer: NetScorer, weights: Path
) -> None:
    net = _plain(weights)
    for crops, score in _stream(scorer)[::8]:
        pixels = [crop.pixels for crop in crops if crop.pixels is not None]
        times = [crop.received_at_s for crop in crops]
        with torch.inference_mode():
            frames = net.frame_path(preprocess(torch.from_numpy(np.stack(pixels))))
            window = net.window_path(frames.features.half().float().unsqueeze(0), elapsed([times]))
        clip = scorer.score_clip(pixels, times)
        assert clip is not None
        for evidence in (score.evidence, clip.evidence):
            assert evidence is not None
            assert evidence.sane
            assert evidence.when is not None
            assert np.array(evidence.where) == pytest.approx(frames.attention[-1, 0].numpy(), abs=1e-4)
            assert evidence.when == pytest.approx(window.attention[0].tolist(), abs=1e-3)
            assert sum(evidence.when) == pytest.approx(1, abs=1e-5)
            assert evidence.frame_logits == pytest.approx(frames.logit.tolist(), abs=1e-3)
            assert evidence.window_logit == pytest.approx(float(window.logit), abs=1e-3)
            assert math.fsum(evidence.counted) / NUM_FRAMES == pytest.approx(score.logit, abs=2e-3)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_window_path_without_a_say_is_not_computed_and_the_scores_are_the_same(
    backend: str, tmp_path: Path, threads: None
) -> None:
    net = lively_net()
    for name, value in (("a", 0.0), ("b", 0.7), ("c", -0.3)):
        getattr(net.calibration, name).fill_(value)
    path = tmp_path / "frames.safetensors"
    save_weights(net, CARD, path)
    lean = make_scorer(path, "cpu", CONFIG, backend=backend)
    whole = make_scorer(path, "cpu", CONFIG, backend=backend, both_paths=True)
    try:
        assert lean._bank._features is None
        for (crops, ours), (_, theirs) in zip(_stream(lean)[::4], _stream(whole)[::4], strict=True):
            assert ours.logit == pytest.approx(theirs.logit, abs=1e-6)
            assert ours.evidence is not None
            assert theirs.evidence is not None
            assert (ours.evidence.when, ours.evidence.window_logit) == (None, None)
            assert theirs.evidence.when is not None
            assert ours.evidence.counted == pytest.approx(theirs.evidence.counted, abs=1e-6)
            clip = lean.score_clip(
                [crop.pixels for crop in crops if crop.pixels is not None], [crop.received_at_s for crop in crops]
            )
            assert clip is not None
            assert clip.logit == pytest.approx(ours.logit, abs=1e-3)
        assert lean._backend is not None
        if backend == "openvino":
            with pytest.raises(RuntimeError, match="without the window path"):
                lean._backend.window(torch.zeros(1, 16, 128, 7, 7), torch.zeros(1, 16))
    finally:
        lean.close()
        whole.close()


def test_weights_that_listen_to_windows_keep_their_features(scorer: NetScorer) -> None:
    assert scorer._bank._features is not None


def test_an_empty_push_is_fine(scorer: NetScorer) -> None:
    assert scorer.push([]) == []


def test_forget_ends_a_window(scorer: NetScorer) -> None:
    face = random_face(1)
    scorer.push([crop_of(face, at_s=0.0)])
    scorer.forget(FaceKey("s", 1))
    assert scorer.push([crop_of(face, at_s=0.1)])[0].filled == 1


def test_more_faces_than_windows_evict_and_are_counted(scorer: NetScorer) -> None:
    face = random_face(1)
    for face_id in range(6):
        scorer.push([crop_of(face, face_id=face_id, at_s=face_id * 0.1)])
    assert scorer.evicted == 2


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.zeros((160, 160, 3), dtype=np.uint8), id="small"),
        pytest.param(np.zeros((224, 224), dtype=np.uint8), id="grey"),
        pytest.param(np.zeros((224, 224, 3), dtype=np.float32), id="floats"),
        pytest.param(np.zeros((0, 0, 3), dtype=np.uint8), id="empty"),
    ],
)
def test_what_is_no_crop_is_refused_before_any_window_changes(scorer: NetScorer, pixels: Pixels) -> None:
    good = crop_of(random_face(1), face_id=1)
    with pytest.raises(ValueError, match="expected a uint8 crop"):
        scorer.push([good, crop_of(pixels, face_id=2)])
    assert scorer.push([good])[0].filled == 1
    with pytest.raises(ValueError, match="expected a uint8 crop"):
        scorer.score_clip([pixels] * 16, list(range(16)))


def test_an_unfit_crop_is_refused(scorer: NetScorer) -> None:
    crop = replace(crop_of(random_face(1)), pixels=None, quality=replace(FIT, reason=NotScored.BLURRED))
    with pytest.raises(ValueError, match="blurred"):
        scorer.push([crop])


@pytest.mark.parametrize("count", [0, 15, 17])
def test_a_clip_has_exactly_16_crops(scorer: NetScorer, count: int) -> None:
    with pytest.raises(ValueError, match="16"):
        scorer.score_clip([random_face(1)] * count, list(range(count)))


def test_black_white_and_noise_give_finite_scores(scorer: NetScorer) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for pixels in (np.zeros_like(noise), np.full_like(noise, 255), noise):
        clip = scorer.score_clip([pixels] * 16, [0.1 * i for i in range(16)])
        assert clip is not None
        assert 0 <= clip.fake_probability <= 1


def test_without_trained_weights_windows_fill_but_nothing_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: None
) -> None:
    monkeypatch.setattr(net_scorer, "default_weights_dir", lambda: tmp_path)
    scorer = make_scorer(None, "cpu", CONFIG)
    assert scorer.info.model == "untrained"
    assert scorer.info.weights_sha256 is None
    assert scorer.card is None
    face = random_face(1)
    updates = [scorer.push([crop_of(face, at_s=i * 0.1)])[0] for i in range(20)]
    assert [update.filled for update in updates] == [*range(1, 17), 16, 16, 16, 16]
    assert all(update.score is None for update in updates)
    assert scorer.score_clip([face] * 16, [0.1 * i for i in range(16)]) is None


def test_info_names_the_card_and_the_device(weights: Path, threads: None) -> None:
    scorer = make_scorer(weights, "cpu", CONFIG)
    assert scorer.card is not None
    assert scorer.info.device == "cpu"
    assert scorer.info.model == "lively"
    assert scorer.info.weights_sha256 == scorer.card.sha256
    assert scorer.info.note is None
    assert scorer.info.backend.startswith("openvino")


def test_another_crop_scale_than_in_training_is_noted(weights: Path, threads: None) -> None:
    scorer = make_scorer(weights, "cpu", replace(CONFIG, crop_scale=1.6))
    assert "1.6" in (scorer.info.note or "")


def test_weights_that_cannot_be_used_are_an_error_not_an_untrained_scorer(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        make_scorer(tmp_path / "absent.safetensors", "cpu", CONFIG)


@pytest.mark.parametrize(("device", "backend"), [("cpu", "tensorflow"), ("cuda", "openvino"), ("auto", "")])
def test_an_unknown_backend_or_one_that_the_device_cannot_have_is_refused(
    weights: Path, device: str, backend: str
) -> None:
    with pytest.raises(ConfigError, match=r"expected backend|expected device auto or cpu"):
        make_scorer(weights, device, CONFIG, backend=backend)


def test_where_openvino_fails_torch_computes_and_says_why(
    weights: Path, monkeypatch: pytest.MonkeyPatch, threads: None
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such instruction\nmore")

    monkeypatch.setattr(net_scorer, "OpenVinoBackend", fail)
    scorer = make_scorer(weights, "cpu", CONFIG)
    assert scorer.info.backend == "torch float32"
    assert "OpenVINO was not used, torch is, which is slower: no such instruction" in str(scorer.info.note)


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CPU", "mps"])
def test_an_unknown_device_is_refused(weights: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="expected device"):
        make_scorer(weights, device, CONFIG)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there and works")
def test_cuda_asked_for_where_there_is_none_falls_back_and_says_why(
    weights: Path, caplog: pytest.LogCaptureFixture, threads: None
) -> None:
    with caplog.at_level(logging.WARNING):
        scorer = make_scorer(weights, "cuda", CONFIG)
    assert scorer.info.device == "cpu"
    assert "CUDA" in (scorer.info.note or "")
    assert "falling back" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        ScorerError("cuda computes nan for a black face"),
    ],
    ids=["out of memory", "broken", "wrong"],
)
def test_a_cuda_device_that_fails_its_probe_is_not_used(
    weights: Path, monkeypatch: pytest.MonkeyPatch, threads: None, error: Exception
) -> None:
    # a machine with a device that looks fine: tensors go to the CPU, only the probe knows better
    monkeypatch.setattr(net_scorer, "_wanted_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a broken card")
    built = []

    def build(net: DeepfakeNet, device: torch.device, threads: int = 0) -> TorchBackend:
        built.append(device.type)
        return TorchBackend(net, torch.device("cpu"), threads)

    def probe(scorer: NetScorer) -> None:
        if scorer.info.device.startswith("cuda"):
            raise error

    monkeypatch.setattr(net_scorer, "TorchBackend", build)
    scorer = make_scorer(weights, "auto", CONFIG, backend="torch", probe=probe)
    assert built == ["cuda", "cpu"]
    assert scorer.info.device == "cpu"
    assert str(error) in (scorer.info.note or "")


def test_a_device_that_fails_while_scoring_raises_a_scorer_error(
    scorer: NetScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TorchBackend, "encode", out_of_memory)
    with pytest.raises(ScorerError, match="out of memory"):
        scorer.push([crop_of(random_face(1))])
    with pytest.raises(ScorerError, match="out of memory"):
        scorer.score_clip([random_face(1)] * 16, [0.1 * i for i in range(16)])


def test_the_shipped_weights_keep_the_contract(threads: None) -> None:
    path = find_weights(default_weights_dir())
    if path is None:
        pytest.skip("no weights are shipped yet")
    scorer = make_scorer(path, "cpu", CONFIG)
    faces = [random_face(step) for step in range(20)]
    times = _times(20, 0.0, seed=2)
    for start, (face, at_s) in enumerate(zip(faces, times, strict=True), start=1 - NUM_FRAMES):
        score = scorer.push([crop_of(face, at_s=at_s)])[0].score
        if score is not None:
            window = slice(start, start + NUM_FRAMES)
            clip = scorer.score_clip(faces[window], times[window])
            assert clip is not None
            assert abs(clip.logit - score.logit) < 1e-3
    scorer.close()


def test_closing_on_a_dead_device_raises_nothing_so_that_another_can_take_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nmore")

    monkeypatch.setattr(torch.cuda, "empty_cache", fail)
    backend = TorchBackend(DeepfakeNet(), torch.device("cpu"), 1)
    scorer = NetScorer(backend, ScorerInfo("cuda:0 (gone)", "torch", "lively", None), CONFIG)
    backend._device = torch.device("cuda")
    scorer.close()
    assert "device-side assert triggered" in caplog.text
