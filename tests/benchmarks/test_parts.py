from __future__ import annotations

import pytest

from benchmarks.parts import Ceiling, _decode


def test_a_second_of_a_stream_is_its_frames_and_its_looks() -> None:
    assert Ceiling(2.0, 3.0, 7.0, 0.0, 0.0).stream_ms(25, 6) == pytest.approx(110.0)


def test_decoding_alone_gives_pictures_of_the_size_asked_for() -> None:
    decode_ms, pictures = _decode(320, 240, 15)
    assert decode_ms > 0
    assert {picture.shape for picture in pictures} == {(240, 320, 3)}
