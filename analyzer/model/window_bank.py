"""The rolling windows: the last 16 encoded faces of every tracked face, kept where they are scored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analyzer.config import MAP_SIZE, NUM_FRAMES
from analyzer.datatypes import FaceCrop, FaceKey
from analyzer.model.network import CHANNELS


class WindowBatch(NamedTuple):
    """B full windows, oldest face first."""

    features: Tensor | None
    """(B, 16, 128, 7, 7) float16; None where none are kept."""
    elapsed_s: Tensor
    """(B, 16) float32: seconds since the face before, 0 for the first."""
    frame_logits: Tensor
    """(B, 16) float32."""


class Place(NamedTuple):
    """Where one new face goes."""

    slot: int
    row: int
    filled: int
    """Faces in the window with this one, 1 to 16."""
    due: bool
    """The window is full and as many faces as the stride are new: score it."""


@dataclass(slots=True)
class _Window:
    slot: int
    generation: int
    times_s: list[float] = field(default_factory=list)
    """`received_at_s`, oldest first, at most 16."""
    next_row: int = 0
    unscored: int = 0
    """Faces since the last score."""


class WindowBank:
    """A fixed number of windows, one slot per face; each slot is a ring of 16 rows.

    Belongs to the model thread. A face whose time goes back, that was away for more than `max_gap_s`, or that comes
    from a new generation starts its window again. When every slot is taken, the face not seen for longest loses its
    window and is counted in `evicted`.

    Features are kept in fp16: 196 KiB per window. The memory is claimed once, so a monitor that starts keeps running;
    on the CPU the system hands out pages only when they are first written.
    """

    def __init__(
        self, max_windows: int, max_gap_s: float, stride: int, device: torch.device, *, features: bool = True
    ) -> None:
        """Without `features` only the frame logits are kept: for a network whose window path has no say."""
        self.evicted = 0
        self._max_gap_s = max_gap_s
        self._stride = stride
        self._device = device
        self._windows: OrderedDict[FaceKey, _Window] = OrderedDict()  # least recently used first
        self._free = list(range(max_windows))
        shape = (max_windows, NUM_FRAMES, CHANNELS, MAP_SIZE, MAP_SIZE)
        self._features = torch.empty(shape, dtype=torch.float16, device=device) if features else None
        self._logits = torch.empty(shape[:2], dtype=torch.float32, device=device)

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def max_windows(self) -> int:
        return len(self._windows) + len(self._free)

    def admit(self, crops: Sequence[FaceCrop]) -> list[Place]:
        """Find the place of one new face each, in order. At most one crop per key and `max_windows` crops."""
        if len({crop.key for crop in crops}) != len(crops) or len(crops) > self.max_windows:
            raise ValueError(f"expected at most one crop per face and {self.max_windows} crops, got {len(crops)}")
        # those that are there already move to the safe end first: a newcomer must not evict one of the same batch
        for crop in crops:
            if crop.key in self._windows:
                self._windows.move_to_end(crop.key)
        return [self._admit(crop) for crop in crops]

    def _admit(self, crop: FaceCrop) -> Place:
        window = self._windows.get(crop.key)
        if window is None:
            window = _Window(self._take_slot(), crop.generation)
            self._windows[crop.key] = window
        elif window.generation != crop.generation or not self._continues(window, crop.received_at_s):
            window = _Window(window.slot, crop.generation)
            self._windows[crop.key] = window
        row = window.next_row
        window.next_row = (row + 1) % NUM_FRAMES
        window.times_s = [*window.times_s[1 - NUM_FRAMES :], crop.received_at_s]
        window.unscored += 1
        filled = len(window.times_s)
        # a window that has just filled has 16 unscored faces: its first score does not wait for the stride
        due = filled == NUM_FRAMES and window.unscored >= self._stride
        if due:
            window.unscored = 0
        return Place(window.slot, row, filled, due)

    def _continues(self, window: _Window, at_s: float) -> bool:
        return 0 <= at_s - window.times_s[-1] <= self._max_gap_s

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        self.evicted += 1
        _, oldest = self._windows.popitem(last=False)
        return oldest.slot

    def store(self, places: Sequence[Place], features: Tensor, logits: Tensor) -> None:
        """Keep `features` (N, 128, 7, 7) and frame `logits` (N,) of the faces just admitted."""
        slots = torch.tensor([place.slot for place in places], device=self._device)
        rows = torch.tensor([place.row for place in places], device=self._device)
        if self._features is not None:
            self._features[slots, rows] = features.to(torch.float16)
        self._logits[slots, rows] = logits.float()

    def gather(self, keys: Sequence[FaceKey]) -> WindowBatch:
        """The full windows of these faces, each in the order of time."""
        windows = [self._windows[key] for key in keys]
        slots = torch.tensor([window.slot for window in windows], device=self._device).unsqueeze(1)  # (B, 1)
        # the row that is written next holds the oldest face
        oldest = torch.tensor([window.next_row for window in windows], device=self._device).unsqueeze(1)  # (B, 1)
        rows = (oldest + torch.arange(NUM_FRAMES, device=self._device)) % NUM_FRAMES  # (B, 16)
        # differences in float64: a monotonic clock of weeks has no milliseconds left in float32
        elapsed_s = elapsed([window.times_s for window in windows])
        features = None if self._features is None else self._features[slots, rows]
        return WindowBatch(features, elapsed_s.to(self._device), self._logits[slots, rows])

    def forget(self, key: FaceKey) -> None:
        """Free the slot of a face; unknown faces are fine."""
        window = self._windows.pop(key, None)
        if window is not None:
            self._free.append(window.slot)


def elapsed(times_s: Sequence[Sequence[float]]) -> Tensor:
    """Times of B windows of 16 -> (B, 16) float32 seconds since the face before, 0 for the first."""
    times = np.asarray(times_s, dtype=np.float64)  # (B, 16)
    return torch.from_numpy(np.diff(times, axis=1, prepend=times[:, :1]).astype(np.float32))  # (B, 16)
