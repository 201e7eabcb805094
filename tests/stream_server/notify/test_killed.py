from __future__ import annotations

import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from stream_server.notify.dispatcher import Dispatcher
from stream_server.notify.outbox import Outbox
from stream_server.notify.targets import targets_of
from stream_server.store.keeping import Keeping
from stream_server.store.store import Store
from tests.stream_server.notify.rules_of import a_rule, a_webhook
from tests.stream_server.notify.servers import Answer, nothing, receiver, status


def test_what_a_killed_monitor_was_sending_is_sent_by_the_next_under_the_same_id(tmp_path: Path) -> None:
    answers: list[Answer] = [nothing]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        answers[-1](handler)

    with receiver(answer) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.stream_server.notify.killed", str(tmp_path), server.url],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "stored\n"
        server.wait()
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        answers.append(status(204))
        store = Store(tmp_path, None, Keeping())
        store.start()
        rule = a_rule(webhooks=(a_webhook(server.url),))
        dispatcher = Dispatcher([(rule, targets_of(rule, None))], Outbox(store.writer))
        dispatcher.start()
        server.wait()
        dispatcher.stop()
        store.stop()
    first, second = server.got
    assert first.headers["X-Deepfake-Monitor-Id"] == second.headers["X-Deepfake-Monitor-Id"]
