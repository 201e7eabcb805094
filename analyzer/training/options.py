"""What a training run can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.training.samples import Mixture


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What `deepfake-monitor train` can be told."""

    manifest: Path
    """Which files to learn from; see `analyzer.training.manifest`."""
    output: Path
    """Folder of this run: checkpoint, metrics.jsonl, the kept faces and the weights."""
    init: Path | None = None
    """Start weights of the backbone: the state of torchvision's `efficientnet_b0().features`. None: random."""
    init_stages: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    """Which stages are started from it."""
    minutes: float = 60.0
    seed: int = 0
    device: str = "auto"
    """auto, cpu or cuda."""
    split: str | None = None
    """Only rows of this split; None takes "train" where the manifest has it, otherwise every row."""
    cache: Path | None = None
    """Where the cut-out faces are kept; None: `output`/faces."""
    name: str = "deepfake-monitor-custom"
    """File name of the weights, without suffix."""
    version: str = "0.1"
    mixture: Mixture = field(default_factory=lambda: Mixture(real_fakes=0.3))
    placed: Mapping[str, str] = field(default_factory=dict)
    """Groups put into "train", "dev" or "calibration" by hand; the others are shared out by their names."""
    target_fpr: float = 0.05
    """False-positive rate on real calibration clips at which 0.5 is set."""
    workers: int = 2
    batch: int = 8
    """Clips or pictures per step of stage A (each gives 4 crops)."""
    rate_backbone: float = 3e-5
    rate_head: float = 3e-4
    steps: int | None = None
    """Steps of either stage instead of minutes: the run is then the same to the bit."""
    max_windows: int = 3000
    """Encoded windows kept for stage B, 200 KB of memory each."""
    stages: str = "ABC"
    """Which stages to run; "A" alone measures single faces."""
    resume: bool = True
    quiet: bool = False

    def fingerprint(self) -> str:
        """What a checkpoint must agree in: more time may be given later, other material may not."""
        return repr((self.seed, self.mixture, self.batch, self.init_stages, sorted(self.placed.items())))
