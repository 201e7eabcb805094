"""Every service that Apprise knows: mail, Slack, Teams, Telegram, MQTT ... Nothing that Apprise says is ever repeated.

Its log lines and errors may hold tokens and what a server answered, so only what is known to be harmless is taken out
of them: the status of an HTTP answer.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from concurrent.futures import Future
from datetime import tzinfo
from typing import Any, Final

import apprise.plugins.base
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from analyzer.errors import ConfigError, SourceError
from stream_server.about import NAME
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.notification import Notification, Reason, text, title
from stream_server.streams.sources.address import AddressRules, literal_ip

TOTAL_S: Final = 60.0
"""That a service gets for one notification: several recipients, each read of a socket up to 4 s."""
REMEMBERED: Final = 1000
"""Notifications of which is known who has taken them, while others of the same URL have not."""
# Where Apprise's services look up which recipients have taken a message, so that trying again leaves those out. Without
# it (another version), they get it anew with each try.
_TAKEN: Any = getattr(apprise.plugins.base, "_delivery_tracker", None)
_STATUS: Final = re.compile(r"\berror=([45]\d\d)\b")
_ADVICE: Final = "see https://appriseit.com/services/ for the form of each service's URL"

# Its lines go nowhere, see above, but must be made: `send` looks for the status in them. Lane logs what failed.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").setLevel(logging.WARNING)


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id=NAME,
        app_desc=NAME,
        app_url="",
        # Apprise's own are pictures of its repository, which every receiver would load from there
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        # its threads for that are shared by all targets, and would keep the process from ending: see `send`
        service_timeout=0,
        # where to is the operator's decision
        http_redirects=False,
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
    )


class AppriseTarget:
    """One Apprise URL."""

    def __init__(self, url: str, number: int, public_url: str | None, zone: tzinfo) -> None:
        """`number` within its rule, `zone` of times in texts. Raises `ConfigError` without the URL."""
        asset = _asset()
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,30}(?=://)", url)
        if scheme is None:
            raise ConfigError(f"expected an Apprise URL such as mailto://...; {_ADVICE}")
        plugin: Any = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if plugin is None:
            raise ConfigError(
                f"Apprise cannot read this {scheme[0].lower()}:// URL: it knows no such service, a package that the "
                f"service needs is not installed, or something is missing or misspelt; {_ADVICE}"
            )
        _judge(plugin)
        self._label = f"{number}: {scheme[0].lower()}://***"
        self._public_url = public_url
        self._zone = zone
        self._apprise = Apprise(asset=asset)
        self._apprise.add(plugin)
        self._taken: OrderedDict[str, set[Any]] = OrderedDict()
        self._left_behind: threading.Thread | None = None

    @property
    def label(self) -> str:
        return self._label

    def __repr__(self) -> str:
        return f"AppriseTarget({self._label!r})"

    def send(self, notification: Notification, at: float) -> None:
        """See `Target`. At most `TOTAL_S`.

        A service may drip bytes for ever, which no time-out of a single read ends. So each call has a thread, and one
        that comes to no end is left behind: one at most, and until it ends nothing more is sent.
        """
        if self._left_behind is not None and self._left_behind.is_alive():
            raise DeliveryError("the service still answers an earlier try, and does not come to an end")
        done: Future[Any] = Future()
        thread = threading.Thread(
            target=self._call,
            args=(notification, at, done),
            name=f"apprise-{self._label.partition(':')[0]}",
            daemon=True,
        )
        thread.start()
        thread.join(TOTAL_S)
        if not done.done():
            self._left_behind = thread
            raise DeliveryError(f"no answer within {TOTAL_S:g} s")
        error = done.exception()
        if error is not None:
            # a hundred services by as many authors; the text may hold a token
            raise DeliveryError(f"the service failed with {type(error).__name__}") from None
        self._judge_result(done.result(), notification.id)

    def _call(self, notification: Notification, at: float, done: Future[Any]) -> None:
        if _TAKEN is not None:
            _TAKEN.set(self._taken_by(notification.id))  # in the context of this thread, which ends with the call
        try:
            result = self._apprise.notify(
                body=text(notification, self._public_url, self._zone, at),
                title=title(notification),
                notify_type=NotifyType.INFO if notification.reason is Reason.TEST else NotifyType.WARNING,
                body_format=NotifyFormat.TEXT.value,
            )
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            done.set_exception(error)
        else:
            done.set_result(result)

    def _taken_by(self, notification_id: str) -> set[Any]:
        taken = self._taken.setdefault(notification_id, set())
        self._taken.move_to_end(notification_id)
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        return taken

    def _judge_result(self, result: Any, notification_id: str) -> None:
        """Raises `DeliveryError` where not everybody took it."""
        if result:
            self._taken.pop(notification_id, None)
            return
        if self._taken.get(notification_id):
            # who refused it may be one of many: nothing that was answered says that trying again is in vain
            raise DeliveryError("some of the recipients did not take it; give each a URL of its own", reached=True)
        statuses = [int(found[1]) for entry in result.logs() if (found := _STATUS.search(str(entry.message)))]
        if not statuses:
            raise DeliveryError("the service could not be reached, or did not take it")
        # what the last try said; a wrong address or token will be no better in an hour
        final = 400 <= statuses[-1] < 500 and statuses[-1] not in (408, 429)
        raise DeliveryError(f"the service answered {statuses[-1]}", final=final)


def _judge(plugin: Any) -> None:
    """The hosts that a URL writes as numbers. Raises `ConfigError` for an address that is never opened."""
    hosts = [getattr(plugin, name, None) for name in ("host", "smtp_host")]
    try:
        for host in hosts:
            ip = literal_ip(host.strip("[]")) if isinstance(host, str) else None
            if ip is not None:
                AddressRules().check_ip(ip)
    except SourceError as error:
        raise ConfigError(str(error)) from None
