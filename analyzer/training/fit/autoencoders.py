"""The painters of a run: trained before stage A, each kept when it is done, taken up again where that was stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from analyzer.errors import ConfigError, WeightsError
from analyzer.training.fit.checkpoint import save_whole
from analyzer.training.fit.loop import Budget, Log
from analyzer.training.fit.options import TrainOptions
from analyzer.training.pseudofakes.autoencoder import (
    BUILDS,
    Autoencoder,
    Build,
    Lesson,
    Painter,
    error_of,
    train_autoencoder,
)
from analyzer.training.pseudofakes.synthesis import PAINTED
from analyzer.training.reporting.progress import StageProgress
from analyzer.training.sampling.material import Material

PAINTERS: Final = "painters.pt"
FIRST_LAYERS: Final = 2
"""Stages of the backbone that say how alike two pictures are."""
WORST: Final = 6.0
"""Grey levels that what is painted may differ by on average. Measured on unseen faces: 8.3 to 8.5 of untrained ones,
2.7 to 4.4 after 500 steps. Worse ones only blur, and would teach that what is blurred is fake."""


@dataclass(frozen=True, slots=True)
class Painting:
    """How the painters of a run are made."""

    options: TrainOptions
    made_by: str
    """What the run learns from and how: painters made by something else are not taken."""
    material: Material
    layers: nn.Module
    device: torch.device
    log: Log

    def run(self) -> list[Painter]:
        """Those of `output`, and those still missing; without the ones that are of no use. None where none is wanted.

        Raises `ConfigError` when training one fails, `WeightsError` for a damaged file of them.
        """
        options, path = self.options, self.options.output / PAINTERS
        if not wanted(options):
            return []
        nets = load_painters(path, self.made_by) if options.resume else []
        if len(nets) < len(BUILDS):
            with StageProgress("A: painters", quiet=options.quiet) as progress:
                for index in range(len(nets), len(BUILDS)):
                    nets.append(self._train(index, progress))
                    save_painters(path, nets, self.made_by)
        painters = [Painter(net) for net in nets]
        errors = [error_of(painter, self._pick, options.seed) for painter in painters]
        good = [painter for painter, error in zip(painters, errors, strict=True) if error <= WORST]
        self.log({"stage": "painters", "errors": [round(error, 2) for error in errors], "used": len(good)})
        if len(good) < len(painters):
            self.log({"note": f"{len(painters) - len(good)} painters are too poor to be used: give more --minutes"})
        return good

    @property
    def _pick(self) -> Any:
        return partial(self.material.pick_real, stills=self.options.mixture.stills)

    def _train(self, index: int, progress: StageProgress) -> Autoencoder:
        options = self.options
        budget = Budget(options.minutes * 60 * options.painter_share / len(BUILDS), options.steps)
        budget.start()

        def done(step: int) -> float:
            share = budget.share(step)
            progress.update((index + share) / len(BUILDS))
            return share

        lesson = Lesson(self._pick, self.layers, self.device)
        return train_autoencoder(BUILDS[index], lesson, options.seed * len(BUILDS) + index, done)


def wanted(options: TrainOptions) -> bool:
    """Whether a run draws anything that is painted."""
    shares: Mapping[str, float] = options.mixture.families
    faces = options.mixture.decoded > 0 and any(shares.get(family, 0) > 0 for family in ("F5", "F6", "F7"))
    return options.painter_share > 0 and (faces or shares.get(PAINTED, 0) > 0)


def save_painters(path: Path, nets: Sequence[Autoencoder], made_by: str) -> None:
    """Write them; whole or not at all. Raises `OSError`."""
    kept = [{"build": asdict(net.build), "state": net.state_dict()} for net in nets]
    save_whole(path, {"made_by": made_by, "painters": kept})


def load_painters(path: Path, made_by: str | None = None) -> list[Autoencoder]:
    """What `save_painters` wrote; none where there is no file, or one made by something else than `made_by`.

    `WeightsError` when it is damaged, `ConfigError` when it cannot be read.
    """
    try:
        kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if made_by not in (None, kept["made_by"]):
            return []
        nets = [_net(**one) for one in kept["painters"]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # whatever unpickling a damaged file raises
        raise WeightsError(f"{path}: damaged; delete it to train the painters anew ({error})") from error
    return nets


def _net(build: Mapping[str, Any], state: Mapping[str, Tensor]) -> Autoencoder:
    net = Autoencoder(Build(**build))
    net.load_state_dict(state)
    if not all(bool(value.isfinite().all()) for value in net.state_dict().values()):
        raise ValueError("not all weights are numbers")
    return net
