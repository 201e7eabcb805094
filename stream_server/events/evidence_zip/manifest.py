"""What is signed: the list of files, each bound to those before it, and the signature over its exact bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from stream_server.event import EVENT_ID
from stream_server.events.evidence_zip.keys import PublicKey, SigningKey
from stream_server.events.evidence_zip.layout import EVENT, MAX_ENTRIES, MAX_FILE, OURS, REPORT, is_name

CHAIN_PREFIX: Final = b"deepfake-monitor evidence chain 1\n"
SIGNED_PREFIX: Final = b"deepfake-monitor evidence manifest 1\n"
"""Stands before what is hashed or signed, so that it can never be taken for something else that the key signed."""

_STRICT: Final = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
_Model = TypeVar("_Model", "Manifest", "Signature")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Words = Annotated[str, Field(max_length=200, pattern=r"^[^,\[{]*$")]
"""Without the signs of which `_parse` counts how many there are."""

MAX_COMMAS: Final = 6 + 5 * MAX_ENTRIES
"""In the largest manifest: between its 7 fields, between the 5 of each entry, and between the entries."""
MAX_OPENED: Final = 2 + MAX_ENTRIES
"""Objects and lists: the manifest, its entries, each of them."""


def _plain(name: str) -> str:
    if not is_name(name):
        raise ValueError("no name of a file of evidence")
    return name


class Listed(BaseModel):
    """One file, bound to all before it."""

    model_config = _STRICT

    name: Annotated[str, AfterValidator(_plain)]
    media_type: _Words
    size: int = Field(ge=0, le=MAX_FILE, description="Bytes.")
    sha256: Sha256
    chain: Sha256 = Field(description="`link` of the chain value before it and of this file.")


class Manifest(BaseModel):
    """The files of an evidence zip, in their order; all but itself and its signature."""

    model_config = _STRICT

    format: Literal["deepfake-monitor evidence"] = "deepfake-monitor evidence"
    format_version: Literal[1] = 1
    event_id: str = Field(pattern=f"^{EVENT_ID.pattern}$")
    made_at: float = Field(description="Unix seconds, by the clock of the monitor that signed.")
    version: _Words = Field(description="Of deepfake-monitor.")
    entries: tuple[Listed, ...] = Field(min_length=1, max_length=MAX_ENTRIES)
    chain: Sha256 = Field(description="The last entry's.")

    def encode(self) -> bytes:
        """The bytes that are signed."""
        return _encode(self)

    def broken_link(self) -> str | None:
        """The first file whose chain value does not follow from what stands before it; None when all do."""
        value = first_link(self.event_id)
        for one in self.entries:
            value = link(value, one.name, one.size, one.sha256)
            if value != one.chain:
                return one.name
        return None if value == self.chain else self.entries[-1].name


class Signature(BaseModel):
    """Who signed the manifest."""

    model_config = _STRICT

    algorithm: Literal["Ed25519"] = "Ed25519"
    public_key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}=$", description="32 bytes in base64.")
    signature: str = Field(
        pattern=r"^[A-Za-z0-9+/]{86}==$",
        description="64 bytes in base64, over `SIGNED_PREFIX` and the bytes of manifest.json.",
    )

    @property
    def key(self) -> PublicKey:
        return PublicKey(base64.b64decode(self.public_key))

    def encode(self) -> bytes:
        """The bytes of signature.json."""
        return _encode(self)

    def holds_for(self, manifest: bytes) -> bool:
        """Whether the holder of `key` signed exactly these bytes."""
        return self.key.verifies(base64.b64decode(self.signature), SIGNED_PREFIX + manifest)


def first_link(event_id: str) -> str:
    """What the chain of an event begins with."""
    return hashlib.sha256(CHAIN_PREFIX + event_id.encode()).hexdigest()


def link(before: str, name: str, size: int, sha256: str) -> str:
    """The next chain value; lengths are fixed or written, so that no two lists of files give the same bytes."""
    encoded = name.encode()
    return hashlib.sha256(
        bytes.fromhex(before)
        + len(encoded).to_bytes(4, "big")
        + encoded
        + size.to_bytes(8, "big")
        + bytes.fromhex(sha256)
    ).hexdigest()


def make_manifest(event_id: str, made_at: float, version: str, files: Iterable[tuple[str, str, bytes]]) -> Manifest:
    """Of files as (name, media type, content). Raises `ValueError` where one may not be in evidence."""
    value, entries = first_link(event_id), []
    for name, media_type, data in files:
        sha256 = hashlib.sha256(data).hexdigest()
        value = link(value, name, len(data), sha256)
        entries.append(Listed(name=name, media_type=media_type, size=len(data), sha256=sha256, chain=value))
    return Manifest(event_id=event_id, made_at=made_at, version=version, entries=tuple(entries), chain=value)


def sign(manifest: bytes, key: SigningKey) -> Signature:
    """Over the exact bytes of the manifest."""
    signature = base64.b64encode(key.sign(SIGNED_PREFIX + manifest)).decode()
    return Signature(public_key=key.public.base64, signature=signature)


def parse_manifest(data: bytes) -> Manifest:
    """Raises `ValueError` with what is wrong, in words, for what `Manifest.encode` did not write."""
    found = _parse(Manifest, data)
    names = [one.name for one in found.entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"it lists {twice[0]} twice")
    if names[:2] != [EVENT, REPORT] or OURS & set(names[2:]):
        raise ValueError(f"expected {EVENT}, {REPORT} and then parts, none of them named as ours are")
    return found


def parse_signature(data: bytes) -> Signature:
    """Raises `ValueError` with what is wrong, in words, for what `Signature.encode` did not write."""
    found = _parse(Signature, data)
    for name, text in (("public_key", found.public_key), ("signature", found.signature)):
        if base64.b64encode(base64.b64decode(text)).decode() != text:  # bits after the last byte
            raise ValueError(f"{name}: not written as the monitor writes it")
    return found


def _encode(model: BaseModel) -> bytes:
    return (json.dumps(model.model_dump(mode="json"), indent=1) + "\n").encode()


def _parse(kind: type[_Model], data: bytes) -> _Model:
    # each value stands behind one of these, and a megabyte of `{},{},...` would become gigabytes of values and errors
    if data.count(b",") > MAX_COMMAS or data.count(b"{") + data.count(b"[") > MAX_OPENED:
        raise ValueError("it holds more than any that the monitor writes")
    try:
        found = kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])[:200]  # a key of anybody's may be in it
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    if found.encode() != data:  # another spelling of the same, a key given twice
        raise ValueError("it is not written as the monitor writes it")
    return found
