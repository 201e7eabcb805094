"""Tells of one event, and says so on stdout once what waits is stored; then somebody kills it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from stream_server.notify.dispatcher import Dispatcher
from stream_server.notify.outbox import Outbox
from stream_server.notify.targets import targets_of
from stream_server.store.keeping import Keeping
from stream_server.store.store import Store
from tests.stream_server.notify.rules_of import a_rule, a_webhook, opened


def main() -> None:
    store = Store(Path(sys.argv[1]), None, Keeping())
    store.start()
    rule = a_rule(webhooks=(a_webhook(sys.argv[2]),))
    dispatcher = Dispatcher([(rule, targets_of(rule, None))], Outbox(store.writer))
    dispatcher.start()
    dispatcher.publish(opened())
    pause = threading.Event()
    while dispatcher.status[0].targets[0].waiting == 0 or dispatcher.unwritten:
        pause.wait(0.01)
    sys.stdout.write("stored\n")
    sys.stdout.flush()
    pause.wait(60)


main()
