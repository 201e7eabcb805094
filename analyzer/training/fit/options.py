"""What a training run can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from analyzer.errors import ConfigError
from analyzer.model.backbone import NUM_STAGES
from analyzer.training.fit.calibrate import Rule
from analyzer.training.fit.precision import PRECISIONS
from analyzer.training.sampling.mixture import Mixture

SIZES: Final = (160, 192, 224)
"""Crop sizes of stage A: the network halves a crop five times, and smaller ones hide what it is to see."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What `deepfake-monitor train` can be told."""

    manifest: Path
    """Which files to learn from; see `analyzer.training.data.manifest`."""
    output: Path
    """Folder of this run: checkpoint, metrics.jsonl, the kept faces and the weights."""
    add: tuple[Path, ...] = ()
    """More lists of files, such as that of clips which operators marked; rows of other splits (`val`) are left out."""
    init: Path | None = None
    """Start weights of the backbone: the state of torchvision's `efficientnet_b0().features`. None: random."""
    init_stages: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    """Which stages are started from it."""
    start: Path | None = None
    """A trained weights file, with its card, to go on from instead of `init`."""
    start_share: float = 0.0
    """Of the weights of `start`, so much stays after stage A: they are averaged with what was learned."""
    freeze: int = 1
    """So many backbone stages with start weights, from the first, learn nothing in stage A."""
    sizes: tuple[int, ...] = (224,)
    """Crop sizes in stage A, one of them drawn for each step; smaller ones are faster, 224 is what the monitor sees."""
    precision: str = "auto"
    """float32, bfloat16, or auto: bfloat16 on CUDA, on a CPU what a few timed steps say (float32 with `steps`)."""
    minutes: float = 60.0
    painter_share: float = 0.1
    """Of the minutes, to train autoencoders that paint faces as deepfakes are painted; 0 for none."""
    seed: int = 0
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int | None = None
    """CPU threads of the network; None leaves it to torch."""
    split: str | None = None
    """Only rows of this split; None takes those of train, dev, calibration and window, and those without any."""
    cache: Path | None = None
    """Where the cut-out faces are kept; None: `output`/faces."""
    name: str = "deepfake-monitor-custom"
    """File name of the weights, without suffix."""
    version: str = "0.1"
    mixture: Mixture = field(default_factory=lambda: Mixture(real_fakes=0.3))
    placed: Mapping[str, str] = field(default_factory=dict)
    """Groups put into "train", "window", "dev" or "calibration" by hand; others as the manifest says, or by name."""
    join: bool = True
    """Whether files that look alike are put into one group."""
    window_share: float = 0.25
    """Of the training groups, kept away from stage A: stage B learns from clips that the frame path has not seen."""
    rule: Rule = field(default_factory=Rule)
    """How much of real calibration material may be flagged at 0.5."""
    workers: int = 2
    """Processes that make samples; stage A takes one on a CPU where that is faster."""
    batch: int = 8
    """Clips or pictures per step of stage A (each gives `analyzer.training.sampling.samples.CROPS` crops)."""
    rate_backbone: float = 3e-5
    rate_head: float = 3e-4
    steps: int | None = None
    """Steps of either stage, and of each painter, instead of minutes: on a CPU the run is then the same to the bit."""
    max_windows: int = 3000
    """Encoded windows kept for stage B, 200 KB of memory each."""
    measure_every: float = 10.0
    """Minutes from one look at dev to the next during stage A; 0 for none."""
    stages: str = "ABC"
    """Which stages to run; "A" alone measures single faces."""
    resume: bool = True
    quiet: bool = False

    def check(self) -> None:
        """`ConfigError` for what no run can be made of."""
        shares = (self.rule.windows, self.rule.clips)
        wrong = {
            "minutes must be above 0": self.minutes <= 0,
            "batch must be above 0": self.batch < 1,
            "workers must be 0 or more": self.workers < 0,
            "the seed must be 0 or more": self.seed < 0,
            "steps must be above 0": self.steps is not None and self.steps < 1,
            "threads must be above 0": self.threads is not None and self.threads < 1,
            "rates must be above 0": min(self.rate_backbone, self.rate_head) <= 0,
            "the share of time for painters must be 0 or more and below 1": not 0 <= self.painter_share < 1,
            "the share of the start weights that stays must be 0 or more and below 1": not 0 <= self.start_share < 1,
            "only weights given by --start can stay: --start-share needs it": self.start_share > 0
            and self.start is None,
            "the share of windows must be 0 or more and below 1": not 0 <= self.window_share < 1,
            "shares of real material that may be flagged must be above 0 and at most 1": not 0
            < min(shares)
            <= max(shares)
            <= 1,
            "the share of real fakes must be 0 to 1": not 0 <= self.mixture.real_fakes <= 1,
            "minutes between two looks at dev must be 0 or more": self.measure_every < 0,
            f"sizes must be some of {SIZES}": not self.sizes or not set(self.sizes) <= set(SIZES),
            f"precision must be one of {PRECISIONS}": self.precision not in PRECISIONS,
            f"stages must be some of A, B and C, got {self.stages!r}": not set("ABC") >= set(self.stages) > set(),
            f"0 to {NUM_STAGES} stages can rest, got {self.freeze}": not 0 <= self.freeze <= NUM_STAGES,
            "give start weights of the backbone (--init) or a whole network (--start), not both": None
            not in (self.init, self.start),
            "only stages with start weights can rest: give --init or --start, or --freeze 1 or less": self.freeze > 1
            and self.init is None
            and self.start is None,
        }
        for message, is_wrong in wrong.items():
            if is_wrong:
                raise ConfigError(message)

    def fingerprint(self, origin: str = "") -> str:
        """What a checkpoint must agree in: more time may be given later. `origin`: sha256 of the start weights."""
        mixed = (self.mixture, self.batch, self.sizes, self.window_share, sorted(self.placed.items()))
        learned = (self.init_stages, self.freeze, self.rate_backbone, self.rate_head, origin, self.start_share)
        apart = () if self.join else ("apart",)
        painted = ("painted",) if self.painter_share else ()
        return repr((self.seed, mixed, learned, *apart, *painted))
