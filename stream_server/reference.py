"""Writes the reference tables of docs/ from the code: `python -m stream_server.reference docs`.

Tests compare the result with what is committed, so that no setting, message or metric goes undocumented.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from analyzer.model.card import find_weights, read_card
from analyzer.model.card_page import card_page, card_summary
from stream_server.live.messages import json_schema
from stream_server.settings.notifications import NotificationRule, Webhook
from stream_server.settings.schema import ENV_PREFIX, IceServer, Settings, StreamEntry

_BEGIN: Final = "<!-- made by python -m stream_server.reference docs -->"
_END: Final = "<!-- end -->"


def settings_reference() -> list[str]:
    """One table row per setting: key, variable, default, meaning."""
    return [
        *_rows(Settings, ""),
        *_rows(StreamEntry, "streams.ID."),
        *_rows(IceServer, "webrtc.ice_servers.N."),
        *_rows(NotificationRule, "notifications.rules.N."),
        *_rows(Webhook, "notifications.rules.N.webhooks.N."),
    ]


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            rows += _rows(field.annotation, f"{prefix}{name}.")
        else:
            key = f"{prefix}{name}"
            variable = "" if key[-1].isupper() or ".N." in key else f"`{ENV_PREFIX}{key.replace('.', '__').upper()}`"
            rows.append(f"| `{key}` | {variable} | {_default(field)} | {field.description} |")
    return rows


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _between_marks(text: str, lines: list[str]) -> str:
    before, _, rest = text.partition(_BEGIN)
    return "\n".join([before + _BEGIN, "", *lines, "", _END + rest.partition(_END)[2]])


def main(folder: Path) -> None:
    """Write what can be made from the code into `folder`, docs/, and from the weights card into README.md beside it."""
    root = folder.parent
    found = find_weights(root / "weights")
    if found is not None:
        card = read_card(found)
        for readme, lines in (
            (root / "README.md", [card_summary(card)]),
            (found.parent / "README.md", card_page(card)),
        ):
            readme.write_text(_between_marks(readme.read_text(), lines))
    settings = folder / "settings.md"
    head = "| setting | variable | default | meaning |"
    rule = "|" + "---|" * (head.count("|") - 1)
    settings.write_text(_between_marks(settings.read_text(), [head, rule, *settings_reference()]))
    (folder / "websocket.schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
