"""Every service that Apprise knows: mail, Slack, Teams, Telegram, MQTT ... Nothing that Apprise says is ever repeated.

Its log lines and errors may hold tokens and what a server answered, so only what is known to be harmless is taken out
of them: the status of an HTTP answer.
"""

from __future__ import annotations

import logging
import re
from datetime import tzinfo
from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from analyzer.errors import ConfigError, SourceError
from stream_server.about import NAME
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.notification import Notification, Reason, text, title
from stream_server.sources.address import AddressRules, literal_ip

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
        # each target has a thread of its own, and so Apprise needs none
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
        ip = literal_ip(str(plugin.host)) if getattr(plugin, "host", None) else None
        try:
            if ip is not None:
                AddressRules().check_ip(ip)
        except SourceError as error:
            raise ConfigError(str(error)) from None
        self._label = f"{number}: {scheme[0].lower()}://***"
        self._public_url = public_url
        self._zone = zone
        self._apprise = Apprise(asset=asset)
        self._apprise.add(plugin)

    @property
    def label(self) -> str:
        return self._label

    def __repr__(self) -> str:
        return f"AppriseTarget({self._label!r})"

    def send(self, notification: Notification, at: float) -> None:
        """See `Target`. How long it may take is Apprise's: 4 s to connect and for each read, unless its URL says."""
        del at
        try:
            result = self._apprise.notify(
                body=text(notification, self._public_url, self._zone),
                title=title(notification),
                notify_type=NotifyType.INFO if notification.reason is Reason.TEST else NotifyType.WARNING,
                body_format=NotifyFormat.TEXT.value,
            )
        except Exception as error:  # noqa: BLE001  # a hundred services by as many authors; the text may hold a token
            raise DeliveryError(f"the service failed with {type(error).__name__}") from None
        if result:
            return
        statuses = [int(found[1]) for entry in result.logs() if (found := _STATUS.search(str(entry.message)))]
        if not statuses:
            raise DeliveryError("the service could not be reached, or did not take it")
        # what the last try said; a wrong address or token will be no better in an hour
        final = 400 <= statuses[-1] < 500 and statuses[-1] not in (408, 429)
        raise DeliveryError(f"the service answered {statuses[-1]}", final=final)
