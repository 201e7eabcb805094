"""Where notifications go: what every target can do, and the targets of each rule made from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from analyzer.errors import ConfigError
from stream_server.notify.notification import Notification
from stream_server.notify.webhook import WebhookTarget
from stream_server.settings.notifications import NotificationRule, NotificationSettings


class Target(Protocol):
    """One place that notifications are sent to. Used by one thread at a time."""

    @property
    def label(self) -> str:
        """For people, and the same after a restart; tells the targets of a rule apart, and holds no secret."""

    def send(self, notification: Notification, at: float) -> None:
        """Send it, now: `at` in Unix seconds. Waits for the network. Raises `DeliveryError`."""


def targets_of(rule: NotificationRule, public_url: str | None) -> tuple[Target, ...]:
    """All of a rule. Sends nothing and looks up no name. Raises `ConfigError` that names the rule and no secret."""
    # Apprise takes half a second to import, and most monitors have no rule
    from stream_server.notify.apprise_target import AppriseTarget  # noqa: PLC0415

    targets: list[Target] = []
    try:
        for url in rule.to:
            targets.append(AppriseTarget(url.get_secret_value(), len(targets) + 1, public_url, rule.zone))
        for webhook in rule.webhooks:
            targets.append(WebhookTarget(webhook, len(targets) + 1, public_url))
    except ConfigError as error:
        raise ConfigError(f"notifications: rule {rule.name!r}: target {len(targets) + 1}: {error}") from None
    return tuple(targets)


RuleTargets: TypeAlias = Sequence[tuple[NotificationRule, Sequence[Target]]]
"""Each rule with its targets, in the order of the settings."""


def rule_targets(settings: NotificationSettings, public_url: str | None) -> RuleTargets:
    """Those of all rules; see `targets_of`."""
    return [(rule, targets_of(rule, public_url)) for rule in settings.rules]
