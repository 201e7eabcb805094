"""Nothing outside of the face may tell a pseudo-fake from its real partner: not codec, not size, not noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.detector import YuNetDetector
from analyzer.faces.geometry import Landmarks
from analyzer.training.augment.degradation import Degradation, degrade, draw_degradation
from analyzer.training.augment.transcode import through_codec
from analyzer.training.data.dataset import Track, TrackCache
from analyzer.training.data.manifest import Row, read_manifest
from analyzer.training.pseudofakes.synthesis import FAMILIES, make_pair
from analyzer.training.research.leak_probe import (
    STATISTICS,
    Probe,
    _partners,
    _probe,
    around_face,
    fit_logistic,
    outside_of,
    probe_families,
    probe_files,
    statistics,
)
from analyzer.training.sampling.samples import pseudo_windows

DATA = Path(__file__).parents[5] / "shared" / "data" / "manifest.tsv"
Found = tuple[Row, Track]

CARRIED = 0.52
"""Where an interval may begin: a video codec carries a little of the face over the edge of its mask."""


def encoded_once_more(frames: Sequence[Pixels]) -> list[Pixels]:
    """What gives fakes away in careless data sets."""
    return through_codec(frames, "h264", 36)


def row_of(index: int) -> Row:
    name = f"clip{index:02d}.mp4"
    return Row(name, Path(name), False, "none", "", "none", name)


@pytest.fixture(scope="module")
def generated(landmarks: Landmarks) -> list[Found]:
    """One person 30 times: cut elsewhere, lit, blurred and compressed otherwise, swaying, as 30 cameras would."""
    person, found = np.ascontiguousarray(astronaut()), []  # type: ignore[no-untyped-call]  # skimage ships no types
    for index in range(30):
        rng = np.random.default_rng(index)
        zoom, turn = rng.uniform(0.9, 1.4), rng.uniform(-0.2, 0.2)
        cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
        matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
        there = landmarks + np.array([96, 0], np.float32)  # the face was cut out of the picture there
        jpegs, marks = [], []
        for step in range(4):
            matrix[:, 2] = (128 + rng.uniform(-6, 6), 128 + step) - matrix[:, :2] @ there.mean(axis=0)
            picture = cv2.warpAffine(person, matrix, (256, 256), borderMode=cv2.BORDER_REFLECT)
            picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + index % 5 / 4)
            picture = cv2.convertScaleAbs(picture, alpha=0.6 + index % 7 / 10)
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            jpegs.append(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 60 + index % 35])[1].tobytes())
            marks.append(there @ matrix[:, :2].T + matrix[:, 2])
        found.append((row_of(index), Track(tuple(jpegs), np.array(marks, np.float32), np.arange(4) / 25, 256)))
    return found


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """60 real tracks of the shared data: short clips and pictures of every collection."""
    rows = [row for row in read_manifest(DATA, "train") if not row.fake]
    clips = [row for row in rows if "GRID" in row.method or "MEAD" in row.method][::2][:10]
    pictures = [row for row in rows if row.is_picture]
    cache = TrackCache(tmp_path_factory.mktemp("tracks"))
    chosen = [*clips, *pictures[:: len(pictures) // 60]]
    cache.build(chosen, quiet=True)
    return cache.load(chosen)[:60]


def check(found: list[Found], each: int) -> None:
    result = probe_families(found, FAMILIES, each=each)
    assert result.interval is not None
    assert result.interval[0] < CARRIED, result
    assert result.interval[1] < 0.6, result
    assert result.pairs > 0.7 * each * len(found)
    control = probe_families(found, FAMILIES, each=1, leak=encoded_once_more)
    assert control.auc > 0.8, control


def test_the_probe_cannot_tell_partners_apart_but_finds_fakes_encoded_once_more(generated: list[Found]) -> None:
    check(generated, each=2)


@pytest.mark.data
@pytest.mark.timeout(600)  # some 25 seconds of one core, long on a busy machine
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_the_same_holds_for_real_collections(collected: list[Found]) -> None:
    assert len(collected) == 60
    check(collected, each=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_partners_have_one_size_one_length_and_one_clock(family: str, found: list[Found]) -> None:
    _, track = next(one for one in found if not one[0].fake)
    windows = pseudo_windows(3, track, family)
    assert windows.pixels.shape == (2, 16, 224, 224, 3)
    np.testing.assert_array_equal(windows.elapsed_s[0], windows.elapsed_s[1])
    chosen = list(range(6))
    pair = make_pair(track.frames(chosen), track.marks(chosen), 1, family)
    assert [f.shape for f in pair.real] == [f.shape for f in pair.fake]
    assert {f.dtype for f in (*pair.real, *pair.fake)} == {np.dtype(np.uint8)}


def test_without_a_video_codec_partners_are_the_same_in_the_pixels_looked_at(generated: list[Found]) -> None:
    looked_at = 0
    for index, (_, track) in enumerate(generated):
        pair = make_pair(track.frames(range(4)), track.marks(range(4)), index, FAMILIES[index % len(FAMILIES)])
        drawn = replace(
            draw_degradation(np.random.default_rng(index), 256, 4),
            first_codec=None,
            codec="jpeg",
            strength=70,
            background=0.0,  # a blur this wide carries further than a codec
        )
        area = outside_of(pair.masks, drawn)
        looked_at += int(area.sum())
        for real, fake in zip(degrade(pair.real, drawn), degrade(pair.fake, drawn), strict=True):
            np.testing.assert_array_equal(real[area], fake[area])
    assert looked_at > 0


def test_frozen_frames_are_the_same_in_both_partners(generated: list[Found]) -> None:
    _, track = generated[0]
    pair = make_pair(track.frames([0] * 16), track.marks([0] * 16), 0, "F4")
    area = around_face()
    frozen = replace(
        draw_degradation(np.random.default_rng(0), 256, 16), codec="none", first_codec=None, noise=0.0, order=[0] * 16
    )
    which = STATISTICS.index("repeated frames")
    repeated = [statistics(degrade(half, frozen), area)[which] for half in (pair.real, pair.fake)]
    assert repeated[0] == repeated[1]


def test_what_lies_outside_of_the_area_changes_no_statistic(face: Pixels) -> None:
    crop, area = np.ascontiguousarray(face[:224, :224]), around_face()
    other = crop.copy()
    other[~area] = np.random.default_rng(0).integers(0, 256, other[~area].shape)
    np.testing.assert_allclose(statistics([crop] * 2, area), statistics([other] * 2, area), rtol=1e-6)


def test_statistics_see_what_they_are_named_after(face: Pixels) -> None:
    crop, area = np.ascontiguousarray(face[:224, :224]), np.ones((224, 224), bool)

    def value(name: str, frames: Sequence[Pixels]) -> float:
        return float(statistics(frames, area)[STATISTICS.index(name)])

    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    coded = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)
    assert coded is not None
    blocky = np.asarray(cv2.cvtColor(coded, cv2.COLOR_BGR2RGB), np.uint8)
    noise = np.random.default_rng(0).normal(0, 8, crop.shape)
    noisy = np.clip(crop + noise, 0, 255).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(crop, (0, 0), 2), np.uint8)
    assert value("grid of 8", [blocky]) > value("grid of 8", [crop]) + 0.5
    assert value("noise", [noisy]) > value("noise", [crop]) > value("noise", [soft])
    assert value("bytes as JPEG", [noisy]) > value("bytes as JPEG", [soft])
    assert value("high frequencies", [crop]) > value("high frequencies", [soft])
    assert value("border sharpness", [crop]) > value("border sharpness", [soft])
    assert value("repeated frames", [crop, crop, noisy, noisy]) == 2
    assert value("change over time", [crop, noisy]) > value("change over time", [crop, crop]) == 0
    assert value("red", [crop]) == pytest.approx(crop[..., 0].mean())


def test_flat_and_tiny_areas_give_numbers() -> None:
    flat = np.zeros((224, 224, 3), np.uint8)
    corner = np.zeros((224, 224), bool)
    corner[:20, :20] = True
    line = np.zeros((224, 224), bool)
    line[:, 5] = True
    assert np.isfinite(statistics([flat], corner)).all()
    assert np.isfinite(statistics([flat], line)).all()
    assert np.isfinite(statistics([flat], np.ones((224, 224), bool))).all()


def test_a_logistic_regression_separates_what_can_be_separated() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (400, 3))
    fake = (values[:, 1] > 0).astype(np.float64)
    weights = fit_logistic(values, fake)
    called = values @ weights[:-1] + weights[-1] > 0
    assert (called == (fake > 0)).mean() > 0.95
    assert abs(weights[1]) > 5 * abs(weights[0])


def test_files_of_two_collections_that_were_coded_otherwise_are_told_apart(generated: list[Found]) -> None:
    def coarse(one: Found) -> Found:
        row, track = one
        blurred = [cv2.GaussianBlur(frame, (0, 0), 4) for frame in track.frames(range(4))]
        jpegs = tuple(cv2.imencode(".jpg", cv2.cvtColor(f, cv2.COLOR_RGB2BGR))[1].tobytes() for f in blurred)
        return replace(row, fake=True), replace(track, jpegs=jpegs)

    alike = probe_files(generated[::2], generated[1::2])
    apart = probe_files(generated, [coarse(one) for one in generated])
    assert alike.interval is not None
    assert alike.interval[0] < 0.5
    assert apart.auc > 0.8


def test_partners_that_are_equal_in_everything_are_the_best_result_and_no_failure() -> None:
    values = np.random.default_rng(0).normal(size=(12, 1, 3)).repeat(2, axis=1)
    assert _probe(values * 0, list("abcdef") * 2, 0.0) == Probe(0.5, None, 0.5, 12, 6, 0.0)
    assert _probe(values, list("abcdef") * 2, 0.0).paired == 0.5


def of_group(group: str, file: str = "", *, fake: bool = False) -> Found:
    row = replace(row_of(0), file=file or group, group=group, fake=fake)
    return row, Track((), np.zeros((0, 5, 2), np.float32), np.zeros(0), 256)


def test_no_source_is_in_two_folds_and_every_file_is_used() -> None:
    reals = [of_group(name, f"{name}{i}") for name in "abcdef" for i in range(2)]
    fakes = [of_group(name, f"f{name}{i}", fake=True) for name in "axyb" for i in range(3)]
    pairs = list(_partners(reals, fakes))
    assert {real[0].file for _, real, _ in pairs} == {row.file for row, _ in reals}
    assert {fake[0].file for _, _, fake in pairs} == {row.file for row, _ in fakes}
    assert not any(real[0].fake or not fake[0].fake for _, real, fake in pairs)
    name_of: dict[str, set[str]] = {}
    for name, real, fake in pairs:
        for row, _ in (real, fake):
            name_of.setdefault(row.group, set()).add(name)
    assert all(len(names) == 1 for names in name_of.values())
    assert (name_of["a"], name_of["b"]) == ({"a"}, {"b"})  # a source stands against itself where it can
    assert {name for name, _, _ in pairs} == set("axyb")
    assert {name for name, _, _ in _partners(fakes, reals)} == set("axyb")


def test_clips_of_one_source_are_one_source(generated: list[Found]) -> None:
    one = [(replace(row, group="one"), track) for row, track in generated[:6]]
    with pytest.raises(ConfigError, match="5 or more sources"):
        probe_families(one, ["F6"], each=1)
    with pytest.raises(ConfigError, match="5 or more sources"):
        probe_files(one, generated[6:12])


def test_both_partners_go_through_one_delivery_at_the_smaller_size(
    generated: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    def halved(one: Found) -> Found:
        row, track = one
        small = [cv2.resize(frame, (128, 128)) for frame in track.frames(range(4))]
        jpegs = tuple(cv2.imencode(".jpg", cv2.cvtColor(f, cv2.COLOR_RGB2BGR))[1].tobytes() for f in small)
        return replace(row, fake=True), replace(
            track, jpegs=jpegs, landmarks=track.landmarks * np.float32(0.5), side=128
        )

    used: list[Degradation] = []

    def heard(frames: Sequence[Pixels], degradation: Degradation) -> list[Pixels]:
        used.append(degradation)
        return degrade(frames, degradation)

    monkeypatch.setattr("analyzer.training.research.leak_probe.degrade", heard)
    probe_files(generated[:5], [halved(one) for one in generated[:5]])
    assert used[::2] == used[1::2]
    assert all(degradation.side <= 128 for degradation in used)


def test_too_few_files_are_refused(generated: list[Found]) -> None:
    with pytest.raises(ConfigError, match="5 or more sources"):
        probe_families(generated[:4], ["F6"], each=1)
    with pytest.raises(ConfigError, match="got 30 and 3"):
        probe_files(generated, generated[:3])
    fakes = [(replace(row, fake=True), track) for row, track in generated]
    for found in ([], fakes):
        with pytest.raises(ConfigError, match="needs real faces"):
            probe_families(found, FAMILIES)
    with pytest.raises(ConfigError, match="no family"):
        probe_families(generated, [])
    with pytest.raises(ConfigError, match="unknown pseudo-fake family"):
        probe_families(generated, ["F9"])


def test_the_face_that_clips_are_made_of_is_found(generated: list[Found]) -> None:
    _, track = generated[3]
    detections = YuNetDetector().detect(track.frames([0])[0])
    assert np.abs(np.array(detections[0].landmarks) - track.landmarks[0]).max() < 12
