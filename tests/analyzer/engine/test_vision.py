from __future__ import annotations

import threading
import time
from dataclasses import replace

import av
import numpy as np

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import FaceCrop, Frame, FrameFaces
from analyzer.engine.batcher import Batcher
from analyzer.engine.vision import FrameSlot, VisionPorts, VisionThread
from tests.fakes import ScriptedDetector, a_detection


def _frame(index: int) -> Frame:
    return Frame("cam", 0, index, None, time.monotonic(), av.VideoFrame(16, 16, "yuv420p"))


def test_a_slot_holds_the_newest_frame_and_counts_what_it_replaced() -> None:
    slot = FrameSlot()
    for index in range(5):
        slot.put(_frame(index))
    taken = slot.take(0)
    assert taken is not None
    assert taken.index == 4
    assert slot.take(0) is None
    assert (slot.received, slot.replaced, slot.taken) == (5, 4, 1)


def test_a_put_wakes_the_taker() -> None:
    slot = FrameSlot()
    taken: list[Frame | None] = []
    taker = threading.Thread(target=lambda: taken.append(slot.take(600)))
    taker.start()
    slot.put(_frame(7))
    taker.join(10)
    assert [frame.index for frame in taken if frame is not None] == [7]


def test_closing_wakes_takers_and_empties_the_slot_for_good() -> None:
    slot = FrameSlot()
    taken: list[Frame | None] = []
    waited: list[bool] = []
    threads = [
        threading.Thread(target=lambda: taken.append(slot.take(600))),
        threading.Thread(target=lambda: waited.append(slot.wait_closed(600))),
    ]
    for thread in threads:
        thread.start()
    slot.close()
    slot.close()
    for thread in threads:
        thread.join(10)
    assert (taken, waited) == ([None], [True])
    slot.put(_frame(1))
    assert slot.take(0) is None
    assert slot.received == 0


def test_an_open_slot_says_so() -> None:
    slot = FrameSlot()
    assert not slot.wait_closed(0)
    assert not slot.closed


def test_a_calm_face_is_put_at_its_own_rate_and_an_unfit_one_always() -> None:
    config = AnalyzerConfig(face_rate=1e3)
    looks: list[int] = []
    batcher = Batcher(config)
    put: list[FaceCrop] = []
    batcher.put = put.append  # type: ignore[method-assign, assignment]  # what comes, not what waits
    ports = VisionPorts(
        make_detector=lambda: ScriptedDetector(lambda _: [a_detection(20, 20, 100), a_detection(200, 20, 100)]),
        config=config,
        batcher=batcher,
        emit=lambda event: looks.append(1) if isinstance(event, FrameFaces) else None,
        interval_s=lambda _: 0.0,
        face_interval_s=lambda key: 0.0 if key.face_id == 1 else 1e6,
    )
    thread = VisionThread("cam", ports)
    thread.start()
    picture = np.random.default_rng(1).integers(60, 200, (200, 400, 3), np.uint8)
    for index in range(6):
        thread.slot.put(replace(_frame(index), video_frame=av.VideoFrame.from_ndarray(picture, format="rgb24")))
        while len(looks) <= index:
            threading.Event().wait(0.001)
    thread.slot.close()
    thread.join()
    fit = [crop.key.face_id for crop in put if crop.quality.fit]
    assert fit.count(1) == 6
    assert fit.count(2) == 1


def test_between_two_looks_the_thread_leaves_frames_to_be_replaced() -> None:
    config = AnalyzerConfig()
    looked = threading.Event()
    ports = VisionPorts(
        make_detector=lambda: ScriptedDetector([]),
        config=config,
        batcher=Batcher(config),
        emit=lambda _: looked.set(),
        interval_s=lambda _: 1e6,
        face_interval_s=lambda _: 1e6,
    )
    thread = VisionThread("cam", ports)
    thread.start()
    thread.slot.put(_frame(0))
    assert looked.wait(30)
    for index in range(1, 100):
        thread.slot.put(_frame(index))
        threading.Event().wait(0.001)  # a thread that does not wait its turn would take it
    thread.slot.close()
    thread.join()
    assert (thread.stats.received, thread.stats.taken, thread.stats.replaced) == (100, 1, 98)
