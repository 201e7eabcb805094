from __future__ import annotations

import numpy as np
import pytest

from analyzer.integrity.repeats import (
    MAX_SHARE,
    MOST_FACES,
    MOST_LINES,
    SPACING_S,
    Comparison,
    Floats,
    LagEvidence,
    Look,
    Past,
    Sight,
    see,
    signature,
)
from tests.takes import HEAD, room, take

RNG = np.random.default_rng(1)


NOTHING = np.zeros(576, np.uint8)


def some(seed: int) -> Sight:
    return of(np.random.default_rng(seed).normal(0, 10, 144).astype(np.float32))


def of(row: Floats) -> Sight:
    return Sight(row, NOTHING, ())


@pytest.mark.parametrize("gain", [0.6, 1.4])
def test_a_signature_knows_no_exposure(gain: float) -> None:
    np.testing.assert_allclose(signature(room(1) * gain), signature(room(1)), atol=1e-3)


def test_a_signature_knows_no_bands_of_a_lamp_that_flickers() -> None:
    bands = 1 + 0.2 * np.sin(np.arange(9) * 1.3).repeat(4)[:, None].astype(np.float32)
    np.testing.assert_allclose(signature(room(1) * bands), signature(room(1)), atol=1e-3)


def test_the_noise_of_the_dark_is_not_blown_up() -> None:
    dark = np.abs(RNG.normal(1, 1, (36, 64))).astype(np.float32)
    assert np.abs(signature(dark) - signature(np.ones((36, 64), np.float32))).max() < 10


def test_a_face_is_looked_at_with_what_is_around_it() -> None:
    (cells,) = see(room(1), ((0.25, 0.25, 0.25, 0.5),)).faces
    rows, columns = np.divmod(cells, 32)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 14, 6, 16)
    assert len(cells) <= MOST_LINES**2


def test_the_largest_faces_are_looked_at_and_none_without_cells() -> None:
    faces = tuple((0.1, 0.1, 0.05 * index, 0.05 * index) for index in range(1, 10))
    assert [len(cells) for cells in see(room(1), faces).faces] == [
        len(see(room(1), (face,)).faces[0]) for face in reversed(faces[-MOST_FACES:])
    ]
    sizes = [len(see(room(1), (face,)).faces) for face in ((-9.0, 0.0, 0.1, 0.1), (0.5, 0.5, 0.001, 0.001))]
    assert sizes == [0, 1]


def test_what_is_beside_a_face_or_lights_it_changes_nothing_of_it() -> None:
    past, other = Past(10.0), room(1)
    for index in range(4):
        past.add(see(room(1), ()), float(index))
    other[:, 40:] = 255
    for picture in (other, 0.7 * room(1)):
        sight = see(picture, ((0.2, 0.3, 0.2, 0.4),))
        compared = past.compare_face(sight, sight.faces[0])
        assert list(compared.times) == [0, 1, 2, 3]
        assert compared.points.max() < 1 < past.compare(see(other, ())).points.min()
        assert list(past.compare_face(sight, sight.faces[0], 2).times) == [2, 3]


def test_the_past_forgets_what_is_older_than_its_seconds() -> None:
    past = Past(10.0)
    for index in range(200):
        past.add(some(index), index * SPACING_S)
    times = past.compare(some(0)).times
    assert list(times) == sorted(times)
    assert times[-1] - times[0] == pytest.approx(10.0, abs=3 * SPACING_S)
    past.clear()
    assert len(past.compare(some(0)).times) == 0


def test_what_lies_between_two_looks_is_found_on_the_line_between_them() -> None:
    past, first, second = Past(10.0), some(1), some(2)
    for index, row in enumerate((some(3), first, second, some(4))):
        past.add(row, index * 0.5)
    compared = past.compare(of(0.25 * first.signature + 0.75 * second.signature))
    assert int(np.argmin(compared.segments)) == 1
    assert compared.segments[1] == pytest.approx(0, abs=0.01)
    assert compared.points.min() > 1
    found = compared.at(np.array([0.75, 0.2, -1.0, 9.0]))
    assert found[0] == compared.segments[1]
    assert found[1] == compared.segments[0]
    assert np.isinf(found[2:]).all()


def test_two_of_the_same_are_a_line_too() -> None:
    past = Past(10.0)
    past.add(some(1), 0.0)
    past.add(some(1), 0.5)
    assert past.compare(some(1)).segments[0] == pytest.approx(0, abs=0.01)
    assert np.isfinite(past.compare(some(2)).segments).all()


def test_motion_is_what_differs_from_a_second_or_two_before() -> None:
    past = Past(10.0)
    assert past.compare(some(1)).motion(0.0) == 0.0
    for index in range(20):
        past.add(some(1), index * 0.25)
    assert past.compare(some(1)).motion(5.0) == pytest.approx(0, abs=0.01)
    apart = float(((some(1).signature - some(2).signature) ** 2).mean())
    assert past.compare(some(2)).motion(5.0) == pytest.approx(apart, rel=0.01)


def test_a_picture_that_is_found_everywhere_says_nothing() -> None:
    lags = np.arange(2.0, 8.0, 0.1)
    compared = Comparison(np.linspace(0.0, 9.9, 100), np.zeros(100, np.float32), np.zeros(99, np.float32))
    evidence = LagEvidence(lags)
    assert compared.share(0.0, 20.0) > MAX_SHARE
    evidence.add(Past(10.0), compared, Look(some(1), 10.0, 50.0), 10.0)
    assert not evidence.sums.any()


def test_evidence_gathers_at_the_lag_and_falls_when_it_is_no_more_found() -> None:
    past, scene, evidence = Past(30.0), take(1), LagEvidence(np.arange(2.0, 8.0, 0.1))
    for index in range(240):
        at_s = index / 6
        sight = see(scene(at_s % 5 if at_s < 30 else at_s), (HEAD,))
        compared = past.compare(sight)
        past.add(sight, at_s)
        if motion := compared.motion(at_s):
            evidence.add(past, compared, Look(sight, at_s, motion, ((sight.faces[0], 50.0),)), at_s)
        if index == 170:
            best = evidence.best(at_s, 16.0, 10.0)
            assert best is not None
            assert evidence.lags[best] == pytest.approx(5.0, abs=0.3)
            assert evidence.best(at_s, 16.0, 60.0) is None
    assert evidence.best(40.0, 8.0, 10.0) is None
