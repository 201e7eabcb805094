from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stream_server.events.recording.desk import Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.recorder.close()
    made.executor.shutdown()
