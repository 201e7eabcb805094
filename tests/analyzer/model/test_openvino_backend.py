from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from analyzer.config import NUM_FRAMES
from analyzer.model.network import DeepfakeNet
from analyzer.model.openvino_backend import FACES, OpenVinoBackend, default_cache
from analyzer.model.torch_backend import TorchBackend
from analyzer.model.weights import default_weights_dir, find_weights, load_weights
from tests.nets import lively_net, random_face

CORES = 2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openvino")


@pytest.fixture(scope="module")
def eager() -> Iterator[TorchBackend]:
    before = torch.get_num_threads()
    made = TorchBackend(lively_net(), torch.device("cpu"), 1)
    yield made
    made.close()
    torch.set_num_threads(before)


def backend(cache: Path, precision: str = "float32") -> OpenVinoBackend:
    return OpenVinoBackend(lively_net(), key="lively", threads=CORES, precision=precision, cache=cache)


@pytest.mark.parametrize("count", [1, FACES * CORES - 1, FACES * CORES, FACES * CORES + 3])
def test_faces_are_encoded_as_torch_does_however_many_come(cache: Path, eager: TorchBackend, count: int) -> None:
    faces = [random_face(i) for i in range(count)]
    for one, other in zip(backend(cache).encode(faces), eager.encode(faces), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_said_of_a_face_does_not_depend_on_those_that_come_with_it(cache: Path, precision: str) -> None:
    made, faces = backend(cache, precision), [random_face(i) for i in range(FACES * CORES)]
    together, alone = made.encode(faces), [made.encode([face]) for face in faces]
    for i, one in enumerate(alone):
        assert abs(float(one.logit[0] - together.logit[i])) < 1e-3


def test_windows_are_scored_as_torch_does(cache: Path, eager: TorchBackend) -> None:
    features = eager.encode([random_face(i) for i in range(NUM_FRAMES)]).features.clone()
    windows = torch.stack([features, features.flip(0), features * 0.5])
    elapsed_s = torch.full((3, NUM_FRAMES), 0.15)
    elapsed_s[:, 0] = 0
    one, other = backend(cache).window(windows, elapsed_s), eager.window(windows, elapsed_s)
    torch.testing.assert_close(one.logit, other.logit, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.attention, other.attention, atol=1e-4, rtol=1e-4)


def test_the_shipped_weights_say_the_same_in_bfloat16() -> None:
    path = find_weights(default_weights_dir())
    if path is None:
        pytest.skip("no weights are shipped")
    state, card = load_weights(path)
    nets = [DeepfakeNet(), DeepfakeNet()]
    for net in nets:
        net.load_state_dict(state)
        net.eval()
    eager = TorchBackend(nets[0], torch.device("cpu"), 1)
    made = OpenVinoBackend(nets[1], key=card.sha256[:16], threads=CORES, precision="bfloat16")
    faces = [random_face(i) for i in range(32)]
    slope = 0.25 * card.calibration.b  # of a probability, at its steepest
    difference = (made.encode(faces).logit - eager.encode(faces).logit).abs().max()
    assert slope * float(difference) < 0.01


def test_a_network_is_converted_once_and_a_damaged_copy_is_made_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = backend(cache).encode([random_face(1)]).logit
    kept = sorted(cache.glob("lively-*.xml"))
    assert len(kept) == 2
    openvino = sys.modules["openvino"]
    with monkeypatch.context() as patched:
        patched.setattr(openvino, "convert_model", None)
        torch.testing.assert_close(backend(cache).encode([random_face(1)]).logit, before, atol=1e-4, rtol=0)
    for path in kept:
        path.write_text("<net")
    with caplog.at_level(logging.WARNING):
        torch.testing.assert_close(backend(cache).encode([random_face(1)]).logit, before, atol=1e-4, rtol=0)
    assert "cannot be read and is made anew" in caplog.text


def test_a_kept_network_that_says_something_else_is_made_anew(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = backend(cache).encode([random_face(1)]).logit
    OpenVinoBackend(lively_net(2), key="other", threads=CORES, precision="float32", cache=cache)
    for path in cache.glob("other-*"):
        path.replace(path.with_name(path.name.replace("other", "lively")))
    with caplog.at_level(logging.WARNING):
        torch.testing.assert_close(backend(cache).encode([random_face(1)]).logit, before, atol=1e-4, rtol=0)
    assert "OpenVINO and torch differ" in caplog.text


def test_a_processor_that_computes_something_else_is_not_trusted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.model.openvino_backend.TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="differs from torch by"):
        backend(cache)


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        made = backend(tmp_path / "file" / "below")
    assert made.encode([random_face(1)]).logit.isfinite().all()
    assert "each start converts the network anew" in caplog.text


def test_a_cache_that_may_not_be_looked_into_costs_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(path: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(Path, "exists", forbidden)
        assert backend(tmp_path).encode([random_face(1)]).logit.isfinite().all()
    assert "Permission denied" in caplog.text


def test_a_network_that_cannot_be_converted_is_one_kind_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> NoReturn:
        raise AttributeError("'Graph' object has no attribute 'inputs'")

    monkeypatch.setattr(sys.modules["openvino"], "convert_model", fails)
    with pytest.raises(RuntimeError, match="cannot convert the network: AttributeError"):
        backend(tmp_path)


def test_a_processor_whose_kernels_differ_by_batch_computes_face_by_face(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.model.openvino_backend.ALIKE", -1.0)
    made = backend(cache)
    assert made._together == 1
    assert len(made.encode([random_face(i) for i in range(FACES * CORES)]).logit) == FACES * CORES


def test_old_networks_are_not_kept_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.model.openvino_backend.KEPT", 2)
    for name in ("old-frame", "old-window"):
        (tmp_path / f"{name}.xml").write_text("")
        (tmp_path / f"{name}.bin").write_text("")
    backend(tmp_path)
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"lively"}


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> NoReturn:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert default_cache() is None


def test_the_cache_is_where_the_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "deepfake-monitor" / "openvino"
