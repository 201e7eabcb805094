from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_server.events.evidence_zip.layout import MAX_ENTRIES
from stream_server.events.evidence_zip.manifest import (
    SIGNED_PREFIX,
    Manifest,
    link,
    make_manifest,
    parse_manifest,
    parse_signature,
    sign,
)
from tests.evidence_of import EVENT_ID, MADE_AT, a_key

FILES = [
    ("event.json", "application/json", b"{}"),
    ("report.html", "text/html", b"<p>"),
    ("strip.jpg", "image/jpeg", b""),
]


def a_manifest() -> Manifest:
    return make_manifest(EVENT_ID, MADE_AT, "0.1.0", FILES)


def respelled(change: Callable[[dict[str, Any]], None]) -> bytes:
    """A manifest with something else in it, written as ours are."""
    content = json.loads(a_manifest().encode())
    change(content)
    return (json.dumps(content, indent=1) + "\n").encode()


def test_what_was_written_is_read_again() -> None:
    assert parse_manifest(a_manifest().encode()) == a_manifest()


def test_files_are_listed_in_order_with_size_and_sum() -> None:
    listed = [(one.name, one.media_type, one.size, one.sha256) for one in a_manifest().entries]
    assert listed == [(name, kind, len(data), hashlib.sha256(data).hexdigest()) for name, kind, data in FILES]


def test_the_chain_is_the_one_that_the_docs_describe() -> None:
    value = hashlib.sha256(b"deepfake-monitor evidence chain 1\n" + EVENT_ID.encode()).digest()
    for name, _, data in FILES:
        row = len(name).to_bytes(4, "big") + name.encode() + len(data).to_bytes(8, "big")
        value = hashlib.sha256(value + row + hashlib.sha256(data).digest()).digest()
    assert a_manifest().chain == value.hex()
    assert a_manifest().broken_link() is None


def test_what_is_chained_cannot_be_cut_in_another_way() -> None:
    assert link("00" * 32, "ab", 1, "11" * 32) != link("00" * 32, "a", 1, "11" * 32)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda content: content["entries"].pop(1), "strip.jpg"),
        (lambda content: content["entries"].reverse(), "strip.jpg"),
        (lambda content: content["entries"][1].update(size=4), "report.html"),
        (lambda content: content["entries"][2].update(sha256="0" * 64), "strip.jpg"),
        (lambda content: content.update(event_id="20261123T120000-1a2b3c4e"), "event.json"),
        (lambda content: content.update(chain="0" * 64), "strip.jpg"),
    ],
    ids=["taken out", "moved", "size", "sum", "event", "end"],
)
def test_the_chain_breaks_where_the_list_was_changed(change: Callable[[dict[str, Any]], None], where: str) -> None:
    assert Manifest.model_validate_json(respelled(change)).broken_link() == where


def _twice(content: dict[str, Any]) -> None:
    content["entries"].append(content["entries"][2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "EOF"),
        (b"[]", "object"),
        (b"\xff", "JSON"),
        (b"[" * 100_000, "more than any"),
        (b"{" + b'"a":{' * 50_000, "more than any"),
        (b"[" * 900, "recursion"),
        (b'{"entries":[' + b"{}," * 6000 + b"{}]}", "more than any"),
        (b"[" + b"0," * 6000 + b"0]", "more than any"),
        (respelled(_twice), "it lists strip.jpg twice"),
        (respelled(lambda content: content["entries"].pop(0)), "expected event.json, report.html"),
        (respelled(lambda content: content["entries"][2].update(name="manifest.json")), "none of them named as ours"),
        (respelled(lambda content: content["entries"][2].update(name="../x")), "entries.2.name: .* no name of a file"),
        (respelled(lambda content: content["entries"][2].update(name=7)), "entries.2.name"),
        (respelled(lambda content: content["entries"][2].update(size=-1)), "entries.2.size"),
        (respelled(lambda content: content["entries"][2].update(size=2**70)), "entries.2.size"),
        (respelled(lambda content: content["entries"][2].update(size=1.5)), "entries.2.size"),
        (respelled(lambda content: content["entries"][2].update(size=True)), "entries.2.size"),
        (respelled(lambda content: content["entries"][2].update(sha256="X")), "entries.2.sha256"),
        (respelled(lambda content: content["entries"][2].update(media_type="a,b")), "entries.2.media_type"),
        (respelled(lambda content: content.update({"x" * 9999: 1})), "^.{0,300}$"),
        (respelled(lambda content: content.update(entries={})), "entries"),
        (respelled(lambda content: content.update(entries=[])), "entries"),
        (respelled(lambda content: content.update(format_version=2)), "format_version"),
        (respelled(lambda content: content.update(made_at=float("nan"))), "made_at"),
        (respelled(lambda content: content.update(made_at=1)), "not written as the monitor writes it"),
        (respelled(lambda content: content.update(event_id="x")), "event_id"),
        (respelled(lambda content: content.update(more=1)), "more"),
        (a_manifest().encode() + b" ", "not written as the monitor writes it"),
        (a_manifest().encode().replace(b'{\n "format"', b'{\n "chain": "",\n "format"'), "not written"),
        (a_manifest().encode().replace(b"0.1.0", rb"\ud800"), "JSON|surrogate"),
    ],
)
def test_what_is_no_manifest_is_told_in_words(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_manifest(data)


def test_the_largest_manifest_is_read() -> None:
    names = ["event.json", "report.html", *(f"{i:0100}" for i in range(MAX_ENTRIES - 2))]
    manifest = make_manifest(EVENT_ID, MADE_AT, "0.1.0", [(name, "x" * 200, b"") for name in names])
    assert len(parse_manifest(manifest.encode()).entries) == MAX_ENTRIES


def test_exactly_the_manifests_bytes_are_signed(tmp_path: Path) -> None:
    data, key = a_manifest().encode(), a_key(tmp_path)
    signature = sign(data, key)
    assert signature.holds_for(data)
    assert not signature.holds_for(data + b"\n")
    assert signature.key == key.public
    assert sign(SIGNED_PREFIX + data, key).signature != signature.signature


def test_a_signature_is_read_again(tmp_path: Path) -> None:
    signature = sign(b"x", a_key(tmp_path))
    assert parse_signature(signature.encode()) == signature


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("algorithm", "none"),
        ("public_key", "AAAA"),
        ("public_key", "?" * 44),
        ("public_key", "A" * 42 + "B="),
        ("public_key", "é" * 44),
        ("signature", ""),
        ("signature", None),
        ("signature", "A" * 88),
        ("more", "x"),
    ],
)
def test_what_is_no_signature_is_told(tmp_path: Path, field: str, value: str | None) -> None:
    content = json.loads(sign(b"x", a_key(tmp_path)).encode())
    content[field] = value
    with pytest.raises(ValueError, match=field):
        parse_signature((json.dumps(content, indent=1) + "\n").encode())
