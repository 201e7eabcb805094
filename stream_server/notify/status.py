"""How it goes with rules and their targets, as `/api/notifications`, `/health` and `/metrics` show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from stream_server.settings.notifications import NotificationRule

LONG_S: Final = 30.0
"""A send without an answer for so long is told of: webhooks get 15 s and the time that their name takes."""


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How it goes with one target. Times are Unix seconds; counts are since the start."""

    target: str
    waiting: int
    sent: int
    failed: int
    """Tries in vain."""
    dead: int
    last_sent_at: float | None
    last_failed_at: float | None
    last_error: str | None
    """Of the last try in vain; None once one has got out since."""
    busy_since: float | None
    """When the try began that goes on."""


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """How it goes with one rule, since the start."""

    rule: NotificationRule
    held_back: int
    """Notifications that were held back (cooldown, quiet hours)."""
    holding: int
    """Of those, what is told when a gate opens."""
    targets: tuple[LaneStatus, ...]


def undelivered(rules: Sequence[RuleStatus], now: float) -> tuple[str, ...]:
    """What does not reach its target, and why, each in words; `now` in Unix seconds."""
    found: list[str] = []
    for one in rules:
        for target in one.targets:
            if target.last_error is not None:
                found.append(f"notifications of rule {one.rule.name} do not reach {target.target}: {target.last_error}")
            elif target.busy_since is not None and now - target.busy_since > LONG_S:
                since = datetime.fromtimestamp(target.busy_since, UTC)
                found.append(
                    f"rule {one.rule.name} has been sending to {target.target} since {since:%Y-%m-%d %H:%M:%S} UTC"
                )
    return tuple(found)
