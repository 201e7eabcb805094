"""What the parts of an evaluation hand to the table: plain values, made by whoever measured them.

The table (sections A to E) prints a row for everything that it knows of, measured or not: None is a dash, and no row
is ever left out because its figure is bad or missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Interval = tuple[float, float]
"""Low and high end of a 95 % bootstrap interval over source groups."""


@dataclass(frozen=True, slots=True)
class RobustnessCell:
    """Section B: all files delivered in one way, weights and threshold frozen."""

    axis: str
    """What is varied, one curve of the plot: `H.264 CRF`, `face width` ..."""
    level: str
    """How much of it, as printed: `source`, `23`, `96 px` ..."""
    place: float
    """Where the level stands on its axis, rising with the harm done; 0 is the untouched file."""
    n_real: int
    n_fake: int
    """Files that could be scored in this cell."""
    auc: float | None
    auc_ci: Interval | None
    fpr: float | None
    """Of real files, at the card's threshold."""
    tpr: float | None
    verdict_kept: float | None = None
    """Share of the files scored here and untouched that stay on the same side of the threshold; None for the source."""
    not_scored: int = 0
    """Files that could not be scored in this cell, though untouched they could; of the source, all that could not."""
    note: str = ""
    """What a reader must know of this cell alone, e.g. that an encoder could not be set up."""
    key: str = ""
    """As `--cells` names it."""
    auc_loss: float | None = None
    """AUC untouched minus AUC here, over the files scored both ways; None for the source."""
    auc_loss_ci: Interval | None = None
    flagged_real: int = 0
    """Real files at or above the threshold here ..."""
    flagged_real_before: int = 0
    """... and untouched, both over the real files scored both ways."""
    left_as_is: int = 0
    """Files that already were what the cell makes of them: as small, as slow."""
    seconds: float | None = None
    """So much of each file was delivered, from its start."""
    fpr_ci: Interval | None = None
    tpr_ci: Interval | None = None
    """Of the shares at the card's threshold."""

    @property
    def fpr_growth(self) -> float | None:
        """Factor by which false positives grew over the real files scored both ways; None where there were none."""
        return self.flagged_real / self.flagged_real_before if self.flagged_real_before else None


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Section B in one figure: how often a verdict survives every one of several re-deliveries."""

    cells: tuple[str, ...]
    """Keys of the re-deliveries."""
    n: int
    """Files scored untouched and in all of them."""
    kept: float | None
    """Share of these whose verdict was the same throughout."""
    kept_ci: Interval | None
    not_scored: int
    """Files scored untouched, but not in each of them."""


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    """Section C: the verdict rules run over scores in time, as on a live stream."""

    real_hours: float
    """Hours of real footage that was watched, all streams together."""
    real_streams: int
    episodes: int
    """False alarms: times that an alert was raised on real footage."""
    episodes_per_hour: float | None
    episodes_per_hour_ci: Interval | None
    """Exact 95 % interval of a Poisson rate; None where real footage was looped: such episodes are not independent."""
    real_streams_with_alert: int
    fake_streams: int
    caught_60_s: int
    """Fake streams with an alert within 60 seconds of the first face."""
    caught: int
    """Fake streams with an alert at any time."""
    median_s_to_alert: float | None
    """Over the fake streams that were caught; None when none was."""
    note: str = ""
    """How the streams were made, e.g. that clips were looped."""
    alerted_s: float = 0.0
    """So long an alert was on in real streams: one that never clears is one episode, however long it lasts."""
    others: Mapping[str, AlarmFigures] = field(default_factory=dict)
    """The same by the other sensitivities' rules."""

    @property
    def alerted_share(self) -> float | None:
        """Of the time of all real streams, 0 to 1; None without any."""
        return min(self.alerted_s / (3600 * self.real_hours), 1.0) if self.real_hours else None


@dataclass(frozen=True, slots=True)
class PseudoRow:
    """One pseudo-fake row of section A: windows of real faces against pseudo-fakes of themselves."""

    name: str
    """`pseudo F1` ... or a row of its own."""
    n_windows: int
    """Real ones; there are as many fake ones."""
    n_groups: int
    auc: float | None
    auc_ci: Interval | None
    auc_frames: float | None
    """Of the mean frame logit alone."""
    auc_window: float | None
    """Of the window logit alone."""
    eer: float | None = None
    average_precision: float | None = None
    tpr_at_1: float | None = None
    """Share of pseudo-fakes found at 1 % false positives."""
    tpr: float | None = None
    fpr: float | None = None
    """Shares at the card's threshold."""
    ece: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CostFigures:
    """Section D: what one score costs on this machine."""

    device: str
    parameters: int
    frame_mmacs: float
    """Millions of multiply-accumulates for one new face ..."""
    window_mmacs: float
    """... and for one window."""
    ms_per_score: float | None
    """Median wall time of one new face in, one score out."""
    faces_per_s: float | None
    """New faces encoded and scored per second, four at once."""
    kib_per_face: float
    """What the window bank keeps of one tracked face."""
    streaming_difference: float | None
    """Largest difference of a streamed from a recomputed logit, over the windows tried."""
    windows_tried: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """A share of samples, 0 to 1, or a difference of two."""

    value: float
    ci: Interval | None
    """Over source groups; None with fewer than three, or when no draw differed."""


@dataclass(frozen=True, slots=True)
class PointingRow:
    """The pointing game on the faces of one pseudo-fake family: how often the highest cell of a map is in the target.

    Nothing but `network` has seen what was pasted; a map is worth what `network` is above the others.
    """

    name: str
    """`F1` ..., or `all`."""
    target: str
    """`seam`: the cells where the pasted face ends, which the map is trained on; `mask`: those that were pasted."""
    n_faces: int
    n_tracks: int
    network: Share
    own_real: Share
    """The same network on the real partner of each fake, where there is nothing to find: what its habits are worth."""
    random: Share
    """Networks with random weights, mean of several."""
    centre: Share
    """Always the cell in the middle."""
    best_fixed: Share
    """Always the one cell that turned out best: no map can know it."""
    chance: Share
    """Any cell: the target's share of the map."""
    lead: Share
    """`network` less `random`, face by face."""
    lead_own: Share
    """`network` less `own_real`, face by face."""


@dataclass(frozen=True, slots=True)
class PointingFigures:
    """Whether the map of where the network looked points at what was changed (pointing game; Zhang et al., 2016)."""

    rows: tuple[PointingRow, ...]
    """All families together first, for each target."""
    n_sources: int
    """Source groups that the tracks come from."""
    seed: int
    note: str = ""
