"""The first line of an evaluation: which code, which weights, what they were made from. All of it read, none typed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.model.card import Measured, WeightsCard
from analyzer.scorer import ScorerInfo


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the figures belong to; None or empty where it is not known."""

    commit: str | None
    """Of the code that measured, where it runs from a checkout."""
    model: str
    sha256: str
    created: str | None = None
    trained_on: tuple[str, ...] = ()
    train_reals: int | None = None
    train_identities: int | None = None
    seeds: tuple[int, ...] = ()
    command: str = ""
    """What made the weights."""
    left_out: tuple[str, ...] = ()
    """Pseudo-fake families that these weights were not trained on, as that command says."""
    threshold_from: str | None = None
    threshold_n: int | None = None
    """Real units that the threshold was set by."""
    limits: tuple[str, ...] = field(default=())


def provenance(info: ScorerInfo, card: WeightsCard | None) -> Provenance:
    """From the card, where it is that of the weights in use."""
    commit = checkout_commit(Path(__file__).resolve().parents[3])
    if card is None:
        return Provenance(commit, info.model, str(info.weights_sha256))
    point = _threshold_figure(card)
    return Provenance(
        commit=commit,
        model=card.name,
        sha256=card.sha256,
        created=card.created,
        trained_on=card.trained_on,
        train_reals=_count(card, "train.reals"),
        train_identities=_count(card, "train.identities"),
        seeds=card.seeds,
        command=card.command,
        left_out=tuple(re.findall(r"--leave-out (F\d)\b", card.command)),
        threshold_from=None if point is None else point[0],
        threshold_n=None if point is None else point[1].n,
        limits=card.limits,
    )


def _threshold_figure(card: WeightsCard) -> tuple[str, Measured] | None:
    """The card's figure of the real ones that are flagged where its threshold was set; by files if there is one."""
    named = [(name, one) for name, one in card.measured.items() if re.fullmatch(r"calibration\b.*(fpr|flagged)", name)]
    return min(named, key=lambda pair: "window" in pair[0], default=None)


def _count(card: WeightsCard, name: str) -> int | None:
    found = card.measured.get(name)
    return None if found is None else int(found.value)


def checkout_commit(root: Path) -> str | None:
    """The commit that a checkout stands at, read from its `.git`; None for an installed package or anything odd."""
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return _commit(head)
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return _commit((git / name).read_text(encoding="ascii").strip())
        packed = (git / "packed-refs").read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    found = re.search(rf"^([0-9a-f]+) {re.escape(name)}$", packed, re.MULTILINE)
    return _commit(found[1]) if found else None


def _commit(text: str) -> str | None:
    return text if re.fullmatch(r"[0-9a-f]{40,64}", text) else None
