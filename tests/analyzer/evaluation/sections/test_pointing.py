from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError, WeightsError
from analyzer.evaluation.sections import pointing
from analyzer.evaluation.sections.pointing import (
    ALL,
    Maps,
    Scene,
    hits,
    in_target,
    map_maker,
    measure_pointing,
    play,
    random_net,
    row_of,
    run_pointing,
    scenes,
)
from analyzer.model.weights import WeightsCard, load_weights, save_weights
from analyzer.scorer import ScorerInfo
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row, read_manifest
from tests.nets import lively_net, random_face

Found = list[tuple[Row, Track]]
CPU = torch.device("cpu")
CARD = WeightsCard("lively", "0.1", "2026-01-02", "for tests", ("made-up faces, CC0",), "Apache-2.0")


def a_map(*cells: tuple[int, int]) -> Maps:
    """(1, 7, 7): 1 at the given cells, 0 elsewhere."""
    values = np.zeros((1, 7, 7))
    for row, column in cells:
        values[0, row, column] = 1.0
    return values


@pytest.mark.parametrize(
    ("given", "hit"),
    [
        pytest.param(a_map((2, 3)), 1.0, id="inside"),
        pytest.param(a_map((0, 0)), 0.0, id="outside"),
        pytest.param(a_map((2, 3), (0, 0)), 0.5, id="one of two equally high"),
        pytest.param(np.ones((1, 7, 7)), 2 / 49, id="all equal is chance"),
        pytest.param(np.full((1, 7, 7), np.nan), 0.0, id="no numbers"),
        pytest.param(np.where(a_map((2, 3)) == 1, np.inf, 0.0), 0.0, id="endless"),
        pytest.param(a_map((2, 3)) - 5, 1.0, id="below zero"),
    ],
)
def test_a_hit_is_the_highest_cell_in_the_target(given: Maps, hit: float) -> None:
    target: npt.NDArray[np.bool_] = a_map((2, 3), (4, 4)) > 0
    assert hits(given, target) == pytest.approx([hit])


def test_the_target_is_every_cell_of_at_least_half_of_the_highest() -> None:
    values = 0.3 * a_map((1, 1)) + 0.15 * a_map((1, 2)) + 0.14 * a_map((1, 3))
    assert np.argwhere(in_target(values)[0]).tolist() == [[1, 1], [1, 2]]


def test_scenes_show_changed_faces_and_are_the_same_for_the_same_seed(found: Found) -> None:
    reals = [item for item in found if not item[0].fake][:2]
    first, again = (list(scenes(reals, 7, ["F1", "F5"])) for _ in range(2))
    assert {scene.family for scene in first} == {"F1", "F5"}
    for one, other in zip(first, again, strict=True):
        assert 1 <= len(one.fake) == len(one.real) == len(one.seams) == len(one.masks) <= 4
        np.testing.assert_array_equal(one.seams, other.seams)
        np.testing.assert_array_equal(one.masks, other.masks)
        assert all(crop.shape == (224, 224, 3) for crop in (*one.fake, *one.real))
        assert one.masks.max() <= 1
        difference = np.abs(np.stack(one.fake).astype(float) - np.stack(one.real)).mean(axis=3)
        cells = difference.reshape(-1, 7, 32, 7, 32).mean(axis=(2, 4))
        # the change is where the mask says, up to what the codec carries over
        assert (cells * (one.masks < 0.01)).sum() < 0.35 * cells.sum() + 20


def test_pictures_are_played_on_without_the_families_that_need_time(found: Found) -> None:
    stills = [
        (row, replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1]))
        for row, track in found
        if not row.fake
    ]
    assert {scene.family for scene in scenes(stills[:1], 1, ["F1", "F3"])} <= {"F1"}


def the_answer(stage: Sequence[Scene], kind: str) -> dict[int, Maps]:
    return {id(scene.fake): getattr(scene, kind) for scene in stage}


def test_a_map_that_knows_hits_always_and_one_that_is_blind_does_not(found: Found) -> None:
    stage = list(scenes([item for item in found if not item[0].fake], 3, ["F1"]))
    known = the_answer(stage, "seams")

    def knows(crops: Sequence[Pixels]) -> Maps:
        return known.get(id(crops), np.zeros((len(crops), 7, 7)))

    def corner(crops: Sequence[Pixels]) -> Maps:
        return np.repeat(a_map((0, 0)), len(crops), axis=0)

    books = play(stage, knows, [corner])
    assert set(books) == {(name, target) for name in (ALL, "F1") for target in ("seam", "mask")}
    values = np.stack([row for _, row in books[ALL, "seam"]])[:, 49:]
    network, own_real, random, _, chance = values.T
    assert network.tolist() == [1.0] * len(values)
    np.testing.assert_allclose(own_real, chance)  # all cells equal: exactly chance
    assert random.tolist() == [0.0] * len(values)
    assert ((chance > 0) & (chance < 0.8)).all()


def test_the_whole_game_gives_every_row_with_its_controls(found: Found) -> None:
    heard: list[int] = []
    reals = [item for item in found if not item[0].fake][:2]
    figures = measure_pointing(lively_net(), reals, CPU, families=["F1"], tell=heard.append)
    assert [(row.target, row.name) for row in figures.rows] == [
        (target, name) for target in ("seam", "mask") for name in (ALL, "F1")
    ]
    assert heard == [1, 2]
    for row in figures.rows:
        assert row.n_faces > 0
        assert row.n_tracks >= 1
        for player in ("network", "own_real", "random", "centre", "best_fixed", "chance"):
            assert 0 <= getattr(row, player).value <= 1
        assert row.lead.value == pytest.approx(row.network.value - row.random.value)
        assert row.lead_own.value == pytest.approx(row.network.value - row.own_real.value)
        assert row.best_fixed.value >= row.centre.value


def test_intervals_are_over_sources_and_fewer_than_three_have_none() -> None:
    rng = np.random.default_rng(0)
    books = [(track, np.append(rng.random(49), [*rng.random(4), 0.25])) for track in (0, 0, 1, 2)]
    row = row_of("F1", "seam", books, ["a", "b", "c"], 0)
    assert (row.n_faces, row.n_tracks) == (4, 3)
    assert row.network.ci is not None
    assert row.network.ci[0] <= row.network.value <= row.network.ci[1]
    assert row.chance.ci is None  # the same of each: no width is no certainty
    few = row_of("F1", "seam", books, ["a", "b", "b"], 0)
    assert few.n_tracks == 3
    assert few.network.ci is None
    assert few.network.value == pytest.approx(row.network.value)


def test_random_networks_differ_by_seed_and_their_maps_are_not_constant() -> None:
    faces = [random_face(seed) for seed in range(4)]
    state = torch.random.get_rng_state()
    one, same, other = (map_maker(random_net(seed, faces), CPU)(faces) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state), "the caller's generator is left alone"
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.std(axis=(1, 2)).min() > 1e-6


def test_without_a_real_face_there_is_no_game(found: Found) -> None:
    with pytest.raises(ConfigError, match="needs real faces"):
        measure_pointing(lively_net(), [item for item in found if item[0].fake], CPU)
    with pytest.raises(ConfigError, match="needs real faces"):
        measure_pointing(lively_net(), [], CPU)


def test_the_game_is_played_on_the_real_videos_of_a_manifest(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "lively.safetensors"
    save_weights(lively_net(), CARD, weights)
    monkeypatch.setattr(pointing, "FAMILIES", ("F1",))
    rows = [row for row in read_manifest(manifest) if row.file in {"clip0.mp4", "clip4.mp4", "broken.mp4"}]
    figures = run_pointing(rows, tmp_path / "faces", weights=weights)
    assert (figures.rows[0].n_tracks, figures.n_sources) == (1, 1)
    assert figures.note == "1 of 2 real videos without 16 usable faces were left out"
    sha256 = load_weights(weights)[1].sha256
    other = ScorerInfo("cpu", "torch", "lively", "0" * 64)
    with pytest.raises(WeightsError, match=rf"holds weights {sha256[:12]}, expected 0{{12}}"):
        run_pointing(rows, tmp_path / "faces", weights=weights, expected=other)


def test_without_weights_or_real_videos_it_says_so(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "lively.safetensors"
    save_weights(lively_net(), CARD, weights)
    fakes = [row for row in read_manifest(manifest) if row.fake]
    with pytest.raises(ConfigError, match="needs real faces"):
        run_pointing(fakes, tmp_path / "faces", weights=weights)
    monkeypatch.setattr(pointing, "default_weights_dir", lambda: tmp_path / "none")
    with pytest.raises(WeightsError, match="no trained weights"):
        run_pointing(fakes, tmp_path / "faces")
