"""The network on OpenVINO: the fastest way on a CPU, in bfloat16 where the processor computes in it.

The torch network is converted once for its weights and kept on disk; later starts read that, and compare what it says
of one face with what torch says.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from analyzer.config import FACE_SIZE, MAP_SIZE, NUM_FRAMES
from analyzer.datatypes import Pixels
from analyzer.model.backend import EncodedFaces
from analyzer.model.network import ARCHITECTURE, CHANNELS, DeepfakeNet, WindowOutput, preprocess
from analyzer.openvino_runtime import load_openvino, on_cores, openvino_core, usable_cores

logger = logging.getLogger(__name__)

FACES: Final = 4
"""Faces computed at once: more no longer stay in a core's cache."""
ALIKE: Final = 1e-3
KEPT: Final = 8
"""Converted networks on disk, 13 MB each: those of older weights and versions go."""
PRECISIONS: Final = {"float32": "f32", "bfloat16": "bf16"}
TOLERANCE: Final = 0.1
"""Of the two logits of the probe face, against torch, absolute and relative: bfloat16 is off by up to 0.02, a wrong
network by far more."""


class OpenVinoBackend:
    """A `Backend` on the CPU. Each core works on faces of its own."""

    def __init__(
        self,
        net: DeepfakeNet,
        *,
        key: str,
        threads: int = 0,
        precision: str = "auto",
        cache: Path | None = None,
        windows: bool = True,
    ) -> None:
        """Convert `net`, or read what was kept of it under `key` (what tells its weights from others) in `cache`.

        `threads`: cores, 0 for all. `precision`: float32, bfloat16, or auto: what the processor is made for. Without
        `windows` the window path is left out, and `window` fails. Raises `ImportError` without OpenVINO,
        `RuntimeError` where it fails.
        """
        openvino = load_openvino()
        torch.set_num_threads(1)  # of what torch still does here, nothing is worth waking a second thread
        self._core = openvino_core()
        self._lanes = threads or usable_cores()
        able = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._precision = precision if precision != "auto" else "bfloat16" if able else "float32"
        store = _Store(openvino, self._core, cache or default_cache())
        stem = f"{key}-{ARCHITECTURE}-{openvino.__version__.partition('-')[0]}-{_code()}"
        for renew in (False, True):
            frame = store.get(f"{stem}-frame", lambda: _convert_frame(openvino, net), renew=renew)
            self._single = self._requests(_sized(frame, 1), self._precision)
            self._several = self._requests(_sized(frame, FACES), self._precision)
            self._windows: list[Any] = []
            if windows:
                window = store.get(f"{stem}-window", lambda: _convert_window(openvino, net), renew=renew)
                self._windows = self._requests(_sized(window, 1), "float32")
            if (off := self._probe(net)) <= TOLERANCE:
                return
            logger.warning("OpenVINO and torch differ by %.3g in a logit of the probe face", off)
        raise RuntimeError(
            f"it differs from torch by {off:.3g} in a logit of the probe face, and should by {TOLERANCE} at most"
        )

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return f"openvino {self._precision}"

    @property
    def device(self) -> torch.device:
        """See `Backend.device`."""
        return torch.device("cpu")

    def encode(self, pixels: Sequence[Pixels]) -> EncodedFaces:
        """See `Backend.encode`."""
        # so many at once that every core has something to do
        size = self._together if len(pixels) >= FACES * self._lanes else 1
        whole = len(pixels) - len(pixels) % size
        out = _Faces(len(pixels))
        _run(self._several if size > 1 else self._single, _stacks(pixels, 0, whole, size), out.put)
        _run(self._single, _stacks(pixels, whole, len(pixels), 1), out.put)
        return out.joined()

    def window(self, features: Tensor, elapsed_s: Tensor) -> WindowOutput:
        """See `Backend.window`. In float32: in bfloat16 it is a quarter faster, and a logit is off by up to 0.04."""
        if not self._windows:
            raise RuntimeError("made without the window path, or closed")
        features = features.float()
        logits, attention = torch.empty(len(features)), torch.empty(len(features), NUM_FRAMES)

        def put(place: int, results: Sequence[np.ndarray[Any, Any]]) -> None:
            logits[place], attention[place] = torch.from_numpy(results[0])[0], torch.from_numpy(results[1])[0]

        given = ((i, (features[i : i + 1].numpy(), elapsed_s[i : i + 1].numpy())) for i in range(len(features)))
        _run(self._windows, given, put)
        return WindowOutput(logits, attention)

    def close(self) -> None:
        """See `Backend.close`."""
        self._single, self._several, self._windows = [], [], []

    def _probe(self, net: DeepfakeNet) -> float:
        """The largest difference from torch of the logits of a probe, infinite if it is no number.

        Relative to logits beyond 1. Faces are from now on computed together where one then gets the same logit as
        alone, which `Backend` promises: kernels may differ.
        """
        face = _probe_face()
        self._together = FACES
        alone, together = self.encode([face]).logit, self.encode([face] * FACES * self._lanes).logit
        if not (together - alone).abs().max() <= ALIKE:
            self._together = 1
        with torch.inference_mode():
            frame = net.frame_path(preprocess(torch.from_numpy(face[None])))  # features (1, 128, 7, 7), logit (1,)
            pairs = [(alone, frame.logit)]
            if self._windows:
                moving = [frame.features.roll(i, dims=-1) for i in range(NUM_FRAMES)]
                features = torch.stack(moving, dim=1)  # (1, 16, 128, 7, 7)
                elapsed_s = torch.linspace(0, 0.3, NUM_FRAMES).unsqueeze(0)  # (1, 16)
                pairs.append((self.window(features, elapsed_s).logit, net.window_path(features, elapsed_s).logit))
        off = [float((ours - theirs).abs() / theirs.abs().clamp(min=1)) for ours, theirs in pairs]
        return max(off) if all(map(math.isfinite, off)) else math.inf

    def _requests(self, model: Any, precision: str) -> list[Any]:
        """One for each core."""
        compiled = self._core.compile_model(model, "CPU", on_cores(self._lanes, PRECISIONS[precision]))
        return [compiled.create_infer_request() for _ in range(self._lanes)]


def _probe_face() -> Pixels:
    """Soft spots of colour: networks trained on faces say nothing of use, and nothing stable, about white noise."""
    spots = np.random.default_rng(1).integers(40, 216, (MAP_SIZE, MAP_SIZE, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(spots, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_CUBIC), np.uint8)


class _Faces:
    """Results of parts of a batch, put where they belong."""

    def __init__(self, count: int) -> None:
        self._features = torch.empty(count, CHANNELS, MAP_SIZE, MAP_SIZE)
        self._attention = torch.empty(count, 1, MAP_SIZE, MAP_SIZE)
        self._logits = torch.empty(count)

    def put(self, place: int, results: Sequence[np.ndarray[Any, Any]]) -> None:
        for whole, part in zip((self._features, self._attention, self._logits), results, strict=True):
            whole[place : place + len(part)] = torch.from_numpy(part)

    def joined(self) -> EncodedFaces:
        return EncodedFaces(self._features, self._attention, self._logits)


Given = tuple[int, tuple[np.ndarray[Any, Any], ...]]
"""Where the results go, and what is computed."""


def _stacks(pixels: Sequence[Pixels], start: int, end: int, size: int) -> Iterator[Given]:
    return ((i, (np.stack(pixels[i : i + size]),)) for i in range(start, end, size))


def _run(
    requests: Sequence[Any], given: Iterator[Given], put: Callable[[int, Sequence[np.ndarray[Any, Any]]], None]
) -> None:
    """Keep all requests busy until everything is computed. Raises `RuntimeError`."""
    busy: list[tuple[Any, int]] = []
    free = list(requests)

    def finish() -> None:
        request, place = busy.pop(0)
        request.wait()
        put(place, [request.get_output_tensor(i).data for i in range(len(request.model_outputs))])
        free.append(request)

    try:
        for place, values in given:
            if not free:
                finish()
            request = free.pop()
            request.start_async(values, share_inputs=True)
            busy.append((request, place))
        while busy:
            finish()
    finally:
        for request, _ in busy:  # one has failed: the others must not run into the next batch
            with contextlib.suppress(RuntimeError):
                request.wait()


class _Frame(nn.Module):
    """The frame path from pixels on, with what is kept of it."""

    def __init__(self, net: DeepfakeNet) -> None:
        super().__init__()
        self.path = net.frame_path

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.path(preprocess(pixels))
        return out.features, out.attention, out.logit


class _Window(nn.Module):
    def __init__(self, net: DeepfakeNet) -> None:
        super().__init__()
        self.path = net.window_path

    def forward(self, features: Tensor, elapsed_s: Tensor) -> tuple[Tensor, Tensor]:
        out = self.path(features, elapsed_s)
        return out.logit, out.attention


def _convert_frame(openvino: ModuleType, net: DeepfakeNet) -> Any:
    return _convert(openvino, _Frame(net), (torch.zeros(1, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8),))


def _convert_window(openvino: ModuleType, net: DeepfakeNet) -> Any:
    features = torch.zeros(1, NUM_FRAMES, CHANNELS, MAP_SIZE, MAP_SIZE)
    return _convert(openvino, _Window(net), (features, torch.zeros(1, NUM_FRAMES)))


def _convert(openvino: ModuleType, module: nn.Module, example: tuple[Tensor, ...]) -> Any:
    module.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a tracer that takes constants for surprises
        try:
            return openvino.convert_model(module, example_input=example)
        except Exception as error:  # a torch that it does not know fails in any way: the border of somebody else's code
            raise RuntimeError(f"it cannot convert the network: {type(error).__name__}: {error}") from error


def _code() -> str:
    """Names the code that was converted."""
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _sized(model: Any, count: int) -> Any:
    """The same for so many faces or windows at once, and for no other number."""
    sized = model.clone()
    sized.reshape({i: [count, *list(one.partial_shape)[1:]] for i, one in enumerate(sized.inputs)})
    return sized


class _Store:
    """Converted networks on disk."""

    def __init__(self, openvino: ModuleType, core: Any, folder: Path | None) -> None:
        self._openvino = openvino
        self._core = core
        self._folder = folder

    def get(self, name: str, make: Callable[[], Any], *, renew: bool) -> Any:
        """What is there, or else, or to `renew` it, what `make` makes, put there."""
        if self._folder is None:
            return make()
        path = self._folder / f"{name}.xml"
        try:
            if not renew and path.exists():
                return self._core.read_model(path)
        except (OSError, RuntimeError) as error:  # OSError: a folder that may not be looked into
            logger.warning("%s cannot be read and is made anew: %s", path, str(error).partition("\n")[0])
        model = make()
        try:
            self._put(model, path, self._folder)
        except (OSError, RuntimeError) as error:
            logger.warning("%s could not be kept, so each start converts the network anew: %s", path, error)
        return model

    def _put(self, model: Any, path: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as made_in:
            made = Path(made_in) / path.name
            # not in float16, though the weights are: what the conversion has folded into them is not
            self._openvino.save_model(model, made, compress_to_fp16=False)
            made.with_suffix(".bin").replace(path.with_suffix(".bin"))
            made.replace(path)
        by_age = sorted(folder.glob("*.xml"), key=lambda one: one.stat().st_mtime)
        for old in by_age[:-KEPT]:
            old.unlink(missing_ok=True)
            old.with_suffix(".bin").unlink(missing_ok=True)


def default_cache() -> Path | None:
    """Where converted networks are kept: the user's cache folder (XDG Base Directory Specification); None without."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home, as containers have them
        return None
    return home / "deepfake-monitor" / "openvino"
