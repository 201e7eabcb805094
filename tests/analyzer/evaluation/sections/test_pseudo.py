from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from analyzer.config import FACE_SIZE, NUM_FRAMES
from analyzer.errors import ConfigError
from analyzer.evaluation.results.pseudo_rows import AS_SEEN_LIVE, PSEUDO_ROWS
from analyzer.evaluation.sections.pseudo import (
    MOST_EACH,
    Opinion,
    Sample,
    as_seen_live,
    make_windows,
    row_figures,
    run_pseudo,
    samples_of,
)
from analyzer.training.augment.degradation import BOX_SHARE, VIEWED_PX
from analyzer.training.data.dataset import Track, TrackCache
from analyzer.training.data.manifest import Row, read_manifest
from tests.analyzer.evaluation.tables import a_row
from tests.fakes import FakeScorer

Found = list[tuple[Row, Track]]


def test_every_row_of_the_table_is_measured(found: Found) -> None:
    plan = samples_of(found, 0)
    assert tuple(plan) == PSEUDO_ROWS
    assert {len(samples) for name, samples in plan.items() if name != AS_SEEN_LIVE} == {len(found) * MOST_EACH}


def test_a_sample_is_the_same_pictures_each_time_and_another_one_is_not(found: Found) -> None:
    track = found[0][1]
    sample = Sample(0, 0, "F5", live=False, seed=0)
    at_s, real, fake = make_windows(track, sample)
    again = make_windows(track, sample)
    assert at_s == again[0]
    assert np.array_equal(np.stack(fake), np.stack(again[2]))
    assert len(real) == len(fake) == NUM_FRAMES
    assert real[0].shape == (FACE_SIZE, FACE_SIZE, 3)
    assert not np.array_equal(np.stack(real), np.stack(fake))
    assert all(earlier < later for earlier, later in itertools.pairwise(at_s))
    other = make_windows(track, Sample(0, 1, "F5", live=False, seed=0))
    assert not np.array_equal(np.stack(fake), np.stack(other[2]))


def test_what_a_viewer_gets_is_small_and_compressed() -> None:
    for seed in range(60):
        degradation = as_seen_live(np.random.default_rng(seed), 320)
        width = degradation.side * BOX_SHARE
        assert VIEWED_PX[0] - 1 <= width <= VIEWED_PX[1]
        assert degradation.codec == "h264"
        assert 28 <= degradation.strength <= 34
        assert len(degradation.boxes) == NUM_FRAMES
        # the serving crop lies about the middle of what is degraded
        assert all(abs(box.center[0] / degradation.side - 0.5) < 0.1 for box in degradation.boxes)
    assert as_seen_live(np.random.default_rng(0), 180).side <= 180  # never scaled up


def test_figures_of_a_row_equal_those_by_hand() -> None:
    pairs = [
        ("a", (Opinion(-1.0, -2.0, 1.0), Opinion(2.0, 3.0, -1.0))),
        ("b", (Opinion(0.5, 0.0, 0.0), Opinion(0.2, 1.0, -2.0))),
        ("b", None),
    ]
    row = row_figures("pseudo F1", pairs, 0.5)
    assert (row.n_windows, row.n_groups) == (2, 2)
    assert row.auc == pytest.approx(3 / 4)
    assert row.auc_frames == 1.0
    assert row.auc_window == 0.0
    assert (row.fpr, row.tpr) == (0.5, 1.0)
    assert row.note == "1 windows without a number were left out"


def test_a_backend_that_tells_no_paths_has_no_figures_of_them() -> None:
    row = row_figures("x", [("a", (Opinion(-1.0, None, None), Opinion(2.0, None, None)))], 0.5)
    assert row.auc == 1.0
    assert row.auc_frames is None
    assert row_figures("x", [], 0.5).auc is None


def test_a_run_keeps_its_results_and_goes_on_from_them(
    tmp_path: Path, manifest: Path, cache: TrackCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.evaluation.sections.pseudo.WANTED", 1)
    monkeypatch.setattr("analyzer.evaluation.sections.pseudo.FAMILIES", ("F1",))
    rows = read_manifest(manifest, "train")[:1]
    scorer = FakeScorer()
    first = run_pseudo(rows, scorer, cache.folder, work=tmp_path)
    assert len(scorer.clips) >= 2
    again = FakeScorer()
    assert run_pseudo(rows, again, cache.folder, work=tmp_path) == first
    assert not again.clips
    # a line that somebody has changed is measured again
    lines = (tmp_path / "pseudo.jsonl").read_text().splitlines()
    (tmp_path / "pseudo.jsonl").write_text("\n".join(line.replace('"fake": [', '"fake": ["x", ') for line in lines))
    assert run_pseudo(rows, again, cache.folder, work=tmp_path) == first
    assert len(again.clips) == len(scorer.clips)


def test_without_a_real_face_there_is_nothing_to_make_fakes_of(tmp_path: Path) -> None:
    rows = [a_row("f.mp4", fake=True), a_row("p.png", fake=False), a_row("gone.mp4", fake=False)]
    with pytest.raises(ConfigError, match="made of real faces"):
        run_pseudo(rows, FakeScorer(), tmp_path / "faces", work=tmp_path)
