from __future__ import annotations

import base64
import hashlib
import json
import struct
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stream_server.about import VERSION
from stream_server.event import Event, Part
from stream_server.events.evidence_zip import pack as module
from stream_server.events.evidence_zip.layout import MAX_MANIFEST
from stream_server.events.evidence_zip.manifest import parse_manifest, parse_signature
from stream_server.events.evidence_zip.pack import pack
from stream_server.events.evidence_zip.verify import verify
from tests.evidence_of import EVENT_ID, MADE_AT, a_key, a_zip, an_event, some_parts
from tests.stream_server.events.evidence_zip.zips import files_of


def test_the_zip_holds_event_report_parts_manifest_and_signature_in_this_order(tmp_path: Path) -> None:
    parts = [part.name for part in some_parts()]
    expected = ["event.json", "report.html", *parts, "manifest.json", "signature.json"]
    assert list(files_of(a_zip(tmp_path))) == expected


def test_parts_are_in_it_byte_for_byte(tmp_path: Path) -> None:
    files = files_of(a_zip(tmp_path))
    assert all(files[part.name] == part.data for part in some_parts())


def test_event_json_is_the_event(tmp_path: Path) -> None:
    assert Event.model_validate_json(files_of(a_zip(tmp_path))["event.json"]) == an_event()


def test_the_manifest_lists_all_others_and_the_signature_holds_for_it(tmp_path: Path) -> None:
    files = files_of(a_zip(tmp_path))
    manifest = parse_manifest(files["manifest.json"])
    assert (manifest.event_id, manifest.made_at, manifest.version) == (EVENT_ID, MADE_AT, VERSION)
    assert {one.name: one.sha256 for one in manifest.entries} == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name not in {"manifest.json", "signature.json"}
    }
    signature = parse_signature(files["signature.json"])
    assert signature.holds_for(files["manifest.json"])
    assert signature.key == a_key(tmp_path).public


def test_a_verifier_written_from_the_docs_alone_agrees(tmp_path: Path) -> None:
    files = files_of(a_zip(tmp_path))
    signature, manifest = json.loads(files["signature.json"]), json.loads(files["manifest.json"])
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"]))
    signed = b"deepfake-monitor evidence manifest 1\n" + files["manifest.json"]
    key.verify(base64.b64decode(signature["signature"]), signed)
    value = hashlib.sha256(b"deepfake-monitor evidence chain 1\n" + manifest["event_id"].encode()).digest()
    for one in manifest["entries"]:
        name, data = one["name"].encode(), files[one["name"]]
        row = struct.pack(">I", len(name)) + name + struct.pack(">Q", len(data)) + hashlib.sha256(data).digest()
        value = hashlib.sha256(value + row).digest()
        assert one["chain"] == value.hex()
    assert manifest["chain"] == value.hex()


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    assert a_zip(tmp_path).read_bytes() == a_zip(tmp_path).read_bytes()


def test_an_event_without_parts_is_packed_too(tmp_path: Path) -> None:
    assert verify(a_zip(tmp_path, parts=())).ok


@pytest.mark.parametrize(
    "names",
    [
        ["../x"],
        ["/x"],
        ["a\\b"],
        [""],
        ["é"],
        ["a", "a"],
        ["a", "A"],
        ["event.json"],
        ["Manifest.JSON"],
        ["signature.json"],
    ],
    ids=str,
)
def test_names_that_no_evidence_can_have_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match="name"):
        pack(an_event(), [Part(name, "image/jpeg", b"") for name in names], a_key(tmp_path), MADE_AT)


def test_more_files_than_verify_reads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 996 are allowed"):
        pack(an_event(), [Part(f"{i}", "", b"") for i in range(997)], a_key(tmp_path), MADE_AT)


def test_as_many_files_as_verify_reads_are_packed(tmp_path: Path) -> None:
    assert verify(a_zip(tmp_path, parts=tuple(Part(f"{i:0100}", "", b"") for i in range(996)))).ok


def test_more_bytes_than_verify_reads_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL", 2 * MAX_MANIFEST + 1000)
    with pytest.raises(ValueError, match="more than an evidence zip may hold"):
        pack(an_event(), [Part("a", "", bytes(1000))], a_key(tmp_path), MADE_AT)


def test_a_hostile_stream_id_stays_text_in_every_file(tmp_path: Path) -> None:
    path = a_zip(
        tmp_path, an_event(stream_id='<script>"\ud83d\ude00\n'.encode("utf-16", "surrogatepass").decode("utf-16"))
    )
    assert verify(path).ok
    with zipfile.ZipFile(path) as opened:
        assert json.loads(opened.read("event.json"))["stream_id"].startswith("<script>")
        assert b"<script" not in opened.read("report.html")
