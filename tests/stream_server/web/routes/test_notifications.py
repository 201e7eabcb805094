from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from analyzer.datatypes import PictureState, PictureTrouble
from analyzer.errors import ConfigError
from stream_server.app import create_app
from stream_server.cli.logs import set_up_logging
from stream_server.event import EventState
from stream_server.settings.notifications import NotificationSettings
from stream_server.settings.schema import ServerSettings, Settings, StorageSettings
from stream_server.web.metrics import StatsReporter
from stream_server.web.routes import notifications
from tests.stream_server.app_of import QUICK, Running, running_app
from tests.stream_server.notify.rules_of import SECRET, a_rule, a_webhook
from tests.stream_server.notify.servers import nothing, receiver, status

TOKEN = "a-token-of-a-test"


def settings_of(folder: Path, *urls: str, apprise: tuple[str, ...] = (), **rule: Any) -> Settings:
    made = a_rule(
        name="night",
        webhooks=tuple(a_webhook(url) for url in urls),
        to=tuple(SecretStr(url) for url in apprise),
        **rule,
    )
    return Settings(
        analyzer=QUICK,
        server=ServerSettings(public_url="https://monitor.example"),
        storage=StorageSettings(data_dir=folder),
        notifications=NotificationSettings(rules=(made,)),
    )


@contextmanager
def running(folder: Path, *urls: str, **more: Any) -> Iterator[Running]:
    with running_app(settings_of(folder, *urls, **more)) as made:
        yield made


def raise_alert(app: Running) -> None:
    """A black picture, as the analyzer tells of it; the recorder opens an event."""
    app.add_source()
    assert app.monitor.archive is not None
    state = PictureState("door", PictureTrouble.BLACK, since_s=time.monotonic())
    app.on_loop(app.monitor.archive.on_event, state)


def rule_of(app: Running) -> Any:
    (rule,) = app.client.get("/api/notifications").json()["items"]
    return rule


def until_dead(app: Running) -> Any:
    while not (items := app.client.get("/api/notifications/dead").json()["items"]):
        pass
    return items


def test_an_alert_reaches_a_webhook_and_a_service(tmp_path: Path) -> None:
    with (
        receiver() as hook,
        receiver() as service,
        running(tmp_path, hook.url, apprise=(f"json://127.0.0.1:{service.port}/{TOKEN}",)) as app,
    ):
        raise_alert(app)
        body = json.loads(hook.wait().body)
        assert body["notification"]["reason"] == "opened"
        assert (body["stream_id"], body["state"]) == ("door", EventState.OPEN)
        assert body["link"] == f"https://monitor.example/#/events/{body['id']}"
        assert "stream door" in json.loads(service.wait().body)["title"]
        while sum(target["sent"] for target in rule_of(app)["targets"]) < 2:
            pass
        assert [target["target"] for target in rule_of(app)["targets"]] == [
            "1: json://***",
            f"2: http://127.0.0.1:{hook.port}/***",
        ]


def test_a_test_says_for_each_target_what_came_of_it(tmp_path: Path) -> None:
    with receiver() as well, receiver(status(403)) as ill, running(tmp_path, well.url, ill.url) as app:
        answer = app.client.post("/api/notifications/night/test")
        assert answer.status_code == 200
        assert [(one["ok"], one["error"]) for one in answer.json()["items"]] == [
            (True, None),
            (False, "it answered 403"),
        ]
        assert json.loads(well.got[0].body)["notification"]["reason"] == "test"
        unknown = app.client.post("/api/notifications/nobody/test")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")


def test_a_test_of_a_target_that_hangs_is_answered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "TEST_S", 0.2)
    with receiver(nothing) as hanging, running(tmp_path, apprise=(f"json://127.0.0.1:{hanging.port}/?rto=1",)) as app:
        (item,) = app.client.post("/api/notifications/night/test").json()["items"]
    assert not item["ok"]
    assert "no answer within 0.2 s" in item["error"]


def test_a_dead_letter_is_listed_sent_again_and_deleted(tmp_path: Path) -> None:
    with receiver(status(403)) as hook, running(tmp_path, hook.url) as app:
        raise_alert(app)
        (letter,) = until_dead(app)
        assert (letter["rule"], letter["last_error"], letter["tries"]) == ("night", "it answered 403", 1)
        assert rule_of(app)["dead"] == 1
        path = f"/api/notifications/dead/{letter['id']}"
        assert app.client.post(f"{path}/retry").status_code == 202
        hook.came.acquire()
        hook.came.acquire()
        while rule_of(app)["targets"][0]["dead"] < 2 or rule_of(app)["dead"] != 1:
            pass
        assert len({got.headers["X-Deepfake-Monitor-Id"] for got in hook.got}) == 1
        assert app.client.delete(path).status_code == 204
        assert app.client.delete(path).status_code == 404
        assert app.client.post(f"{path}/retry").json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["dead/x/retry", "dead/1.1/retry", "no such rule/test"])
def test_what_can_be_no_name_is_refused_in_the_one_shape(tmp_path: Path, path: str) -> None:
    with running(tmp_path, "http://127.0.0.1:9/") as app:
        answer = app.client.post(f"/api/notifications/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_without_rules_there_is_nothing_to_list(tmp_path: Path) -> None:
    settings = Settings(analyzer=QUICK, storage=StorageSettings(data_dir=tmp_path))
    with running_app(settings) as app:
        assert app.client.get("/api/notifications").json() == {"items": [], "unwritten": 0}
        assert app.client.get("/api/notifications/dead").json() == {"items": [], "next": None, "unreadable": 0}


def test_where_nothing_is_kept_nothing_is_told() -> None:
    with running_app(Settings(analyzer=QUICK, storage=StorageSettings(enabled=False))) as app:
        answer = app.client.get("/api/notifications")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "nothing_kept")


def test_rules_without_storage_end_the_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "http://127.0.0.1:9/")
    with pytest.raises(ConfigError, match=r"storage\.enabled"):
        create_app(settings.model_copy(update={"storage": StorageSettings(enabled=False)}))


@pytest.fixture
def debug_log(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    del capfd  # before us
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logging("debug")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_no_secret_is_in_any_answer_nor_in_the_log(
    tmp_path: Path, debug_log: None, capfd: pytest.CaptureFixture[str]
) -> None:
    said = ""
    with receiver(status(403)) as hook, receiver(status(500)) as service:
        apprise = f"json://user:{TOKEN}@127.0.0.1:{service.port}/{TOKEN}"
        with running(tmp_path, hook.url, apprise=(apprise,)) as app:
            raise_alert(app)
            letters = until_dead(app)
            app.client.post("/api/notifications/night/test")
            app.client.post(f"/api/notifications/dead/{letters[0]['id']}/retry")
            for path in (
                "/api/notifications",
                "/api/notifications/dead",
                "/api/events",
                "/health",
                "/metrics",
                "/info",
            ):
                said += app.client.get(path).text
            said += repr(app.monitor) + str(app.monitor.settings)
            health = app.client.get("/health").json()
            assert "notifications of rule night do not reach" in health["note"]
            stats = app.on_loop(StatsReporter(app.monitor).report, time.monotonic())
            assert stats.notifications is not None
            assert stats.notifications.dead >= 1
            assert all("notifications of rule night do not reach" in words for words in stats.notifications.failing)
            said += stats.model_dump_json()
            assert health["status"] == "ok"
    said += "".join(capfd.readouterr())
    for file in tmp_path.rglob("monitor.db*"):
        said += file.read_bytes().decode("latin-1")
    assert "night" in said
    for secret in (TOKEN, SECRET):
        assert secret not in said


def test_metrics_count_by_rule(tmp_path: Path) -> None:
    with receiver() as hook, running(tmp_path, hook.url) as app:
        raise_alert(app)
        hook.came.acquire()
        while rule_of(app)["targets"][0]["sent"] < 1:
            pass
        text = app.client.get("/metrics").text
        names = {thread["name"] for thread in app.client.get("/health").json()["threads"]}
    assert 'deepfake_monitor_notifications_total{outcome="sent",rule="night"} 1.0' in text
    assert 'deepfake_monitor_notifications_waiting{rule="night"} 0.0' in text
    assert 'deepfake_monitor_dropped_total{cause="notification_not_stored"} 0.0' in text
    assert {"notify", "notify-night-1"} <= names
