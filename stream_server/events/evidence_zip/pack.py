"""An event and the files of its evidence -> one signed zip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stream_server.about import VERSION
from stream_server.event import Event, Part
from stream_server.events.evidence_zip import container
from stream_server.events.evidence_zip.keys import SigningKey
from stream_server.events.evidence_zip.layout import (
    EVENT,
    MANIFEST,
    MAX_ENTRIES,
    MAX_MANIFEST,
    MAX_TOTAL,
    OURS,
    REPORT,
    SIGNATURE,
)
from stream_server.events.evidence_zip.manifest import make_manifest, sign
from stream_server.events.evidence_zip.page import make_page

MEDIA_TYPES: Final = {EVENT: "application/json", REPORT: "text/html; charset=utf-8"}


def pack(event: Event, parts: Sequence[Part], key: SigningKey, made_at: float) -> bytes:
    """The zip of this event, the parts in their order; the same arguments give the same bytes.

    `made_at` is in Unix seconds. Raises `ValueError` for parts that no evidence can hold (a name that is not plain or
    is used twice or is ours, more than `layout` allows): a bug of the caller, for `verify` would refuse them.
    """
    _check(parts)
    event_json = Part(EVENT, MEDIA_TYPES[EVENT], (event.model_dump_json(indent=1) + "\n").encode())
    report = Part(REPORT, MEDIA_TYPES[REPORT], make_page(event, parts, made_at).encode())
    files = [(part.name, part.media_type, part.data) for part in (event_json, report, *parts)]
    manifest = make_manifest(event.id, made_at, VERSION, files).encode()
    if len(manifest) > MAX_MANIFEST or sum(len(data) for *_, data in files) > MAX_TOTAL - 2 * MAX_MANIFEST:
        raise ValueError("more than an evidence zip may hold")
    signature = sign(manifest, key).encode()
    return container.write([*((name, data) for name, _, data in files), (MANIFEST, manifest), (SIGNATURE, signature)])


def _check(parts: Sequence[Part]) -> None:
    names = [part.name.casefold() for part in parts]  # some systems unpack A.jpg over a.jpg
    if len(set(names)) < len(names) or OURS & set(names):
        raise ValueError(f"two files of one name in the evidence: {', '.join(sorted(names)[:20])}")
    if len(parts) + len(OURS) > MAX_ENTRIES:
        raise ValueError(f"{len(parts)} files of evidence, at most {MAX_ENTRIES - len(OURS)} are allowed")
