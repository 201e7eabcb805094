"""Writes and removes as fast as a busy monitor, and says on stdout when it put what, until somebody kills it.

To be called with the folder and the name of a stream.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from stream_server.event import Part
from stream_server.store import work
from stream_server.store.database import Database
from stream_server.store.keeping import OBSERVATION_BYTES, Keeping
from stream_server.store.writer import StoreWriter
from tests.events_of import an_event, observed

CLIP = Part("clip.mp4", "video/mp4", bytes(range(256)) * 2000)


def main() -> None:
    work.KEEP_EVERY_S = 0.1  # type: ignore[misc]  # so that many kills fall into removing and giving back
    stream_id = sys.argv[2]
    store = StoreWriter(Database(Path(sys.argv[1])), Keeping(score_mb=150 * OBSERVATION_BYTES / 1e6, event_mb=3))
    store.start()
    for number in itertools.count(1):
        now = time.time()
        store.observe(observed(now, 0.1, face_id=number, stream_id=stream_id))
        if number % 40 == 0:
            store.save_event(an_event(now, face_id=number, stream_id=stream_id), [CLIP])
        sys.stdout.write(f"{number} {now}\n")
        sys.stdout.flush()
        time.sleep(0.005)


main()
