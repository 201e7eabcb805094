"""Writes as fast as a busy monitor, and says on stdout when it put what, until somebody kills it."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from stream_server.events import Part
from stream_server.store.database import Database
from stream_server.store.writer import StoreWriter
from tests.events_of import an_event, observed

CLIP = Part("clip.mp4", "video/mp4", bytes(range(256)) * 2000)


def main() -> None:
    store = StoreWriter(Database(Path(sys.argv[1])))
    store.start()
    for number in itertools.count(1):
        now = time.time()
        store.observe(observed(now, 0.1, face_id=number))
        if number % 40 == 0:
            store.save_event(an_event(now, face_id=number), [CLIP])
        sys.stdout.write(f"{number} {now}\n")
        sys.stdout.flush()
        time.sleep(0.005)


main()
