from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.evaluation.results.provenance import checkout_commit, provenance
from analyzer.model.card import Measured
from analyzer.scorer import ScorerInfo
from tests.analyzer.evaluation.tables import a_card

COMMIT = "0123456789abcdef" * 2 + "01234567"
INFO = ScorerInfo("cpu", "torch", "test", "ab" * 32)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"HEAD": COMMIT}, COMMIT),
        ({"HEAD": "ref: refs/heads/main", "refs/heads/main": COMMIT + "\n"}, COMMIT),
        ({"HEAD": "ref: refs/heads/main", "packed-refs": f"# pack\n{COMMIT} refs/heads/main\n"}, COMMIT),
        ({"HEAD": "ref: refs/heads/main", "packed-refs": f"{COMMIT} refs/heads/main2\n"}, None),
        ({"HEAD": "ref: refs/heads/main"}, None),
        ({"HEAD": "nonsense"}, None),
        ({"HEAD": "\xff"}, None),
        ({}, None),
    ],
    ids=["detached", "branch", "packed", "another branch", "no commit yet", "nonsense", "no text", "no checkout"],
)
def test_the_commit_is_read_from_the_checkout(tmp_path: Path, files: dict[str, str], expected: str | None) -> None:
    for name, content in files.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="latin-1")
    assert checkout_commit(tmp_path) == expected


def test_what_the_card_says_is_told_and_what_it_does_not_is_none() -> None:
    card = a_card(measured={"calibration.threshold.fpr": Measured(0.04, 26), "train.reals": Measured(94)})
    found = provenance(INFO, card)
    assert (found.threshold_from, found.threshold_n) == ("calibration.threshold.fpr", 26)
    assert (found.train_reals, found.train_identities) == (94, None)
    assert found.seeds == (3,)


def test_the_figure_by_files_comes_before_the_one_by_windows() -> None:
    names = ("calibration.real_windows_flagged", "calibration.real_clips_flagged")
    card = a_card(measured={name: Measured(0.01, i) for i, name in enumerate(names)})
    assert provenance(INFO, card).threshold_from == names[1]


def test_without_a_card_only_the_sum_of_the_weights_is_known() -> None:
    found = provenance(INFO, None)
    assert (found.model, found.sha256, found.threshold_from) == ("test", "ab" * 32, None)
