from __future__ import annotations

import threading

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.faces import yunet_openvino
from analyzer.faces.detector import NMS_IOU, TOP_K, YuNetDetector, yunet_model
from analyzer.faces.yunet_openvino import CompiledYuNet, OpenVinoYuNet
from tests.videos import astronaut


@pytest.fixture(scope="module")
def compiled() -> CompiledYuNet:
    return CompiledYuNet(yunet_model(), cores=2)


def finder(compiled: CompiledYuNet) -> OpenVinoYuNet:
    return OpenVinoYuNet(compiled, 0.7, NMS_IOU, TOP_K)


def test_a_size_is_compiled_once_for_all_streams_and_an_old_one_given_up(
    compiled: CompiledYuNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    plain = CompiledYuNet._sized

    def sized(self: CompiledYuNet, size: tuple[int, int]) -> object:
        made.append(size)
        return plain(self, size)

    monkeypatch.setattr(CompiledYuNet, "_sized", sized)
    monkeypatch.setattr(yunet_openvino, "MAX_SIZES", 2)
    for size in [(96, 96), (32, 64), (96, 96), (64, 32), (96, 96), (32, 64)]:
        compiled.request(size)
    assert made == [(96, 96), (32, 64), (64, 32), (32, 64)]


def test_a_smaller_picture_of_the_same_padded_size_sees_nothing_of_the_one_before(compiled: CompiledYuNet) -> None:
    used, fresh = finder(compiled), finder(compiled)
    face = np.ascontiguousarray(astronaut()[:256, :256])
    used.rows(face)
    small = np.ascontiguousarray(face[:230, :230])
    assert np.array_equal(used.rows(small), fresh.rows(small))


def test_many_threads_find_what_one_finds(compiled: CompiledYuNet) -> None:
    pictures = [np.roll(astronaut(), 40 * i, axis=1) for i in range(6)]
    alone = [finder(compiled).rows(picture) for picture in pictures]
    together: list[list[np.ndarray]] = [[] for _ in pictures]

    def look(picture: Pixels, found: list[np.ndarray]) -> None:
        own = finder(compiled)
        found += [own.rows(picture) for _ in range(10)]

    threads = [threading.Thread(target=look, args=pair) for pair in zip(pictures, together, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, others in zip(alone, together, strict=True):
        assert len(one) == 1
        assert all(np.array_equal(one, other) for other in others)
        assert len(others) == 10


def test_numbers_beyond_all_bounds_make_no_noise(compiled: CompiledYuNet) -> None:
    outputs = {
        f"{name}_8": np.full((1, 4, width), 1e30, np.float32)
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    rows = yunet_openvino._decoded(outputs, 8, 2, 0.7)
    assert rows.shape == (4, 15)


def test_the_detector_uses_it_where_it_works() -> None:
    assert YuNetDetector().engine == "OpenVINO"
