"""What is drawn how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analyzer.errors import ConfigError
from analyzer.training.pseudofakes.appearance import Paint
from analyzer.training.pseudofakes.synthesis import FAMILIES, OF_PICTURES, PAINTED, STILL_FAMILIES


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares of 0 to 1."""

    stills: float = 0.5
    """Single images from pictures rather than from videos (stage A)."""
    window_stills: float = 0.2
    """Windows from a picture that is moved about (stage B)."""
    real_fakes: float = 0.0
    """Samples whose fake half is a fake of the manifest rather than a pseudo-fake."""
    mild: float = 0.4
    """Share of samples without harsh degradation: if all were degraded harshly, traces of many fakes would be lost."""
    paired: float = 0.7
    """Of the fakes of the manifest, those set beside the very real file that they were made from, where it is there."""
    donors: float = 0.25
    """Of the pseudo-fakes, those with somebody else's face."""
    decoded: float = 0.6
    """Of the faces that a decoder paints (F5, F6), those that a painter does, where there are painters."""
    families: Mapping[str, float] = field(
        default_factory=lambda: (
            {"F1": 0.3, "F2": 0.07, "F3": 0.06, "F4": 0.1, "F5": 0.3, "F6": 0.12, "F7": 0.05, PAINTED: 0.14}
        )
    )
    """How often each is drawn, of those that can be: `PAINTED` only where there are painters."""

    def without(self, families: Iterable[str]) -> Mixture:
        """The same with some families never drawn. `ConfigError` for one that there is not, or when none is left."""
        left_out = set(families)
        known = (*FAMILIES, PAINTED)
        unknown = sorted(left_out - set(known))
        if unknown:
            raise ConfigError(f"unknown family {', '.join(unknown)}: expected {', '.join(known)}")
        kept = {name: share for name, share in self.families.items() if name not in left_out}
        if not any(name in STILL_FAMILIES and share > 0 for name, share in kept.items()):
            raise ConfigError(f"stage A needs one of {', '.join(STILL_FAMILIES)}: not all of them can be left out")
        return replace(self, families=kept)


def pick_family(rng: np.random.Generator, weights: Mapping[str, float], *, still: bool, painted: bool) -> str:
    """A family that suits a picture or a clip, with or without painters. `ConfigError` where the shares leave none."""
    made = OF_PICTURES if still else (*FAMILIES, PAINTED)
    names = [name for name in made if weights.get(name, 0) > 0 and (painted or name != PAINTED)]
    if not names:
        raise ConfigError(f"the mixture has no pseudo-fake family that suits {'a picture' if still else 'a clip'}")
    share = np.array([weights[name] for name in names])
    return str(rng.choice(names, p=share / share.sum()))


def pick_painter(rng: np.random.Generator, painters: Sequence[Paint], family: str, mixture: Mixture) -> Paint | None:
    """Any of them, or none where a face is to be painted without."""
    if not painters or (family != PAINTED and rng.random() >= mixture.decoded):
        return None
    return painters[int(rng.integers(len(painters)))]
