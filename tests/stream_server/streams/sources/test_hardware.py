from __future__ import annotations

import logging

import pytest
from av.codec.hwaccel import hwdevices_available

from stream_server.streams.sources.hardware import AUTO, OFF, _warn, hardware, offered, refusal

WORKING = [kind for kind in offered() if refusal(kind) is None]


def test_off_asks_no_device() -> None:
    assert hardware(OFF) is None


def test_only_what_decodes_the_video_of_cameras_is_offered() -> None:
    assert set(offered()) <= set(hwdevices_available())
    # the other kinds of this FFmpeg are for other codecs
    assert all(refusal(kind) is not None for kind in set(hwdevices_available()) - set(offered()))


@pytest.mark.skipif(bool(WORKING), reason="there is a device here")
@pytest.mark.parametrize("wanted", [AUTO, "cuda"])
def test_without_a_device_the_processor_decodes(wanted: str) -> None:
    assert hardware(wanted) is None


@pytest.mark.parametrize("kind", [kind for kind in ("qsv", "no_such_kind", "x" * 1000) if kind not in WORKING])
def test_a_kind_that_cannot_decode_is_refused_with_a_reason_in_the_log(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    _warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert hardware(kind) is None
        assert hardware(kind) is None  # with the next connection
    assert caplog.text.count("the processor decodes") == 1
    assert refusal(kind)


@pytest.mark.skipif(not WORKING, reason="no device that decodes")
def test_auto_takes_the_first_that_works() -> None:
    assert hardware(AUTO) is not None
