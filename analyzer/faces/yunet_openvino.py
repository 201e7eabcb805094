"""YuNet on OpenVINO: three times as fast on a CPU as OpenCV's own way, with the same boxes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Pixels
from analyzer.openvino_runtime import load_openvino, on_cores, openvino_core, usable_cores

STRIDES: Final = (8, 16, 32)
"""Pixels between two anchors on each of the network's three grids; pictures are padded to the largest."""

MAX_SIZES: Final = 16
"""Picture sizes kept compiled (some 12 MB each): a camera has one. The one asked for longest ago goes; the streams that
have it keep it."""

MAX_CORES: Final = 4
"""Each takes memory for every size, and four look at 2 000 pictures a second."""

LARGEST_LOG: Final = 10.0
"""Logarithm of the largest side of a box over the stride: beyond it is no face, and further on no number."""

Rows = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Compiled:
    """The network for one size, once somebody has compiled it."""

    model: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class CompiledYuNet:
    """The network, compiled once for each size of picture and shared by all detectors of the process. Thread-safe."""

    def __init__(self, model: bytes, cores: int = 0) -> None:
        """`model`: YuNet's ONNX file. `cores`: 0 for all, up to `MAX_CORES`.

        Raises `ImportError` or `RuntimeError` without OpenVINO, or where it does not work.
        """
        self._openvino = load_openvino()
        self._cores = cores or min(usable_cores(), MAX_CORES)
        self._model = openvino_core().read_model(model)
        self._lock = threading.Lock()  # guards what follows
        self._sizes: OrderedDict[tuple[int, int], _Compiled] = OrderedDict()
        smallest = STRIDES[-1]  # seen to work, before it is trusted
        self.request((smallest, smallest)).infer([np.zeros((1, smallest, smallest, 3), np.uint8)])

    def request(self, size: tuple[int, int]) -> Any:
        """An infer request of one's own for pictures of (width, height), multiples of 32; 0.1 s for a new size."""
        with self._lock:
            compiled = self._sizes.setdefault(size, _Compiled())
            self._sizes.move_to_end(size)
            if len(self._sizes) > MAX_SIZES:
                self._sizes.popitem(last=False)
        with compiled.lock:  # of this size alone: nobody else waits
            if compiled.model is None:
                compiled.model = openvino_core().compile_model(self._sized(size), "CPU", on_cores(self._cores, "f32"))
            return compiled.model.create_infer_request()

    def _sized(self, size: tuple[int, int]) -> Any:
        """For RGB bytes as they lie in a picture, (1, height, width, 3)."""
        preprocess = self._openvino.preprocess
        width, height = size
        model = self._model.clone()
        model.reshape([1, 3, height, width])
        steps = preprocess.PrePostProcessor(model)
        given = steps.input()
        given.tensor().set_element_type(self._openvino.Type.u8).set_layout(self._openvino.Layout("NHWC"))
        given.tensor().set_color_format(preprocess.ColorFormat.RGB)
        given.preprocess().convert_element_type(self._openvino.Type.f32).convert_color(preprocess.ColorFormat.BGR)
        given.model().set_layout(self._openvino.Layout("NCHW"))
        return steps.build()


class OpenVinoYuNet:
    """Finds faces in pictures of one size after another; belongs to one thread."""

    name: Final = "OpenVINO"

    def __init__(self, compiled: CompiledYuNet, min_confidence: float, nms_iou: float, top_k: int) -> None:
        self._compiled = compiled
        self._min_confidence = min_confidence
        self._nms_iou = nms_iou
        self._top_k = top_k
        self._size = (0, 0)
        self._request: Any = None
        self._padded = np.empty((1, 0, 0, 3), np.uint8)

    def rows(self, rgb: Pixels) -> Rows:
        """Faces of an RGB picture as OpenCV's `FaceDetectorYN` gives them: (n, 15), see `detections_from_rows`.

        Raises `RuntimeError` when OpenVINO fails.
        """
        height, width = rgb.shape[:2]
        size = _padded(width), _padded(height)
        if self._request is None or size != self._size:
            self._request = self._compiled.request(size)
            self._size = size
            self._padded = np.zeros((1, size[1], size[0], 3), np.uint8)
        elif (height, width) != size[::-1]:
            self._padded[:] = 0
        self._padded[0, :height, :width] = rgb
        self._request.infer([self._padded], share_inputs=True)
        outputs = {  # a tensor may have more than one name
            name: self._request.get_output_tensor(i).data
            for i, output in enumerate(self._request.model_outputs)
            for name in output.names
        }
        found = np.concatenate(
            [_decoded(outputs, stride, size[0] // stride, self._min_confidence) for stride in STRIDES]
        )
        if not len(found):
            return found
        # OpenCV suppresses by whole pixels
        boxes = found[:, :4].astype(np.int32).tolist()
        kept = cv2.dnn.NMSBoxes(boxes, found[:, 14].tolist(), self._min_confidence, self._nms_iou, top_k=self._top_k)
        return found[np.asarray(kept, np.intp).reshape(-1)]


def _padded(side: int) -> int:
    return -(-side // STRIDES[-1]) * STRIDES[-1]


def _decoded(outputs: Mapping[str, npt.NDArray[np.float32]], stride: int, columns: int, min_confidence: float) -> Rows:
    """The anchors of one grid that may be faces, as rows (n, 15) in pixels.

    Per anchor the network gives a class score and an objectness (their geometric mean is the confidence), the box's
    centre as an offset from the anchor and the logarithm of its size, and five landmarks as offsets, all over the
    stride (Wu, Peng, Yu, 2023).
    """
    scores = outputs[f"cls_{stride}"][0, :, 0].clip(0, 1) * outputs[f"obj_{stride}"][0, :, 0].clip(0, 1)
    places = np.flatnonzero(scores >= min_confidence**2)
    anchors = np.stack([places % columns, places // columns], axis=1).astype(np.float32)  # (n, 2): x, y
    box = outputs[f"bbox_{stride}"][0, places]  # (n, 4)
    center = (anchors + box[:, :2]) * stride
    sides = np.exp(np.minimum(box[:, 2:], LARGEST_LOG)) * stride
    landmarks = (np.tile(anchors, 5) + outputs[f"kps_{stride}"][0, places]) * stride  # (n, 10)
    confidence = np.sqrt(scores[places])[:, None]
    return np.concatenate([center - sides / 2, sides, landmarks, confidence], axis=1, dtype=np.float32)
