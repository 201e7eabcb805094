from __future__ import annotations

import threading

import pytest

from analyzer.errors import OverloadedError
from stream_server.web.monitor import UploadDesk


async def test_there_is_room_for_so_many_uploads_and_no_more() -> None:
    desk = UploadDesk(2)
    with desk.place(), desk.place():
        assert desk.taken == 2
        with pytest.raises(OverloadedError, match="2 uploads"), desk.place():
            raise AssertionError
    assert desk.taken == 0
    await desk.close()


async def test_a_place_is_free_again_after_an_error() -> None:
    desk = UploadDesk(1)
    with pytest.raises(ValueError, match="x"), desk.place():
        raise ValueError("x")
    with desk.place():
        assert desk.taken == 1
    await desk.close()


async def test_closing_tells_the_work_to_stop_and_joins_its_thread() -> None:
    desk = UploadDesk(1)
    started = threading.Event()

    def work() -> None:
        started.set()
        assert desk.stopping.wait(60)

    done = desk.executor.submit(work)
    assert started.wait(60)
    await desk.close()
    assert done.done()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("upload")]
