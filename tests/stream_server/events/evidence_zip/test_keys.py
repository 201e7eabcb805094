from __future__ import annotations

import base64
import hashlib
import logging
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from analyzer.errors import ConfigError
from stream_server.events.evidence_zip.keys import (
    FINGERPRINT_FILE,
    KEY_FILE,
    PublicKey,
    load_or_make_key,
    read_fingerprint,
)


def pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_the_first_run_makes_a_key_that_only_its_user_may_read(tmp_path: Path) -> None:
    load_or_make_key(tmp_path / "data")
    path = tmp_path / "data" / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert sorted(path.parent.iterdir()) == [path.with_name(FINGERPRINT_FILE), path], "nothing half-made stays"


def test_later_runs_read_the_same_key(tmp_path: Path) -> None:
    assert load_or_make_key(tmp_path).public == load_or_make_key(tmp_path).public


def test_a_signature_holds_for_its_message_alone(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path)
    signature = key.sign(b"a")
    assert key.public.verifies(signature, b"a")
    assert not key.public.verifies(signature, b"b")
    assert not key.public.verifies(signature[:-1], b"a")
    assert not PublicKey(b"\x02" + bytes(31)).verifies(signature, b"a")


def test_the_fingerprint_is_half_of_the_sha256_in_groups_of_four(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path).public
    assert key.fingerprint.replace("-", "") == hashlib.sha256(key.raw).hexdigest()[:32]
    assert [len(group) for group in key.fingerprint.split("-")] == [4] * 8


def test_the_private_key_is_not_shown_by_accident(tmp_path: Path) -> None:
    assert repr(load_or_make_key(tmp_path)) == "SigningKey()"


_KEY = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        pem(_KEY, NoEncryption())[:60],
        pem(_KEY, BestAvailableEncryption(b"secret")),
        pem(ec.generate_private_key(ec.SECP256R1()), NoEncryption()),
    ],
    ids=["empty", "text", "cut off", "with a password", "of another kind"],
)
def test_a_file_that_is_no_such_key_is_told_and_never_replaced(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"{KEY_FILE} is no Ed25519 private key .* backup, or move this one away"):
        load_or_make_key(tmp_path)
    assert path.read_bytes() == data


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can neither be read nor made"):
        load_or_make_key(tmp_path / "file" / "data")


def test_a_dangling_link_is_told_and_stays(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).symlink_to(tmp_path / "gone.pem")
    with pytest.raises(ConfigError, match="No such file"):
        load_or_make_key(tmp_path)
    assert (tmp_path / KEY_FILE).is_symlink()


def test_a_key_that_others_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_or_make_key(tmp_path)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load_or_make_key(tmp_path)
        assert caplog.messages == []
        (tmp_path / KEY_FILE).chmod(0o644)
        load_or_make_key(tmp_path)
    assert "chmod 600" in caplog.messages[0]


def test_a_new_key_and_one_in_anothers_place_are_told_with_their_fingerprints(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = load_or_make_key(tmp_path).public.fingerprint
    load_or_make_key(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    second = load_or_make_key(tmp_path).public.fingerprint
    load_or_make_key(tmp_path)
    made, replaced = caplog.messages
    assert f"its fingerprint is {first}: write it down" in made
    assert replaced == f"the key that signs evidence was replaced: it was {first}, it is {second} from now on"


def test_monitors_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    found = []

    def run() -> None:
        start.wait()
        found.append(load_or_make_key(tmp_path).public)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert sorted(tmp_path.iterdir()) == [tmp_path / FINGERPRINT_FILE, tmp_path / KEY_FILE]


def test_a_file_system_without_hard_links_gets_its_key_by_a_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert load_or_make_key(tmp_path).public == load_or_make_key(tmp_path).public


def test_a_key_is_named_by_fingerprint_base64_or_pem_file(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path).public
    (tmp_path / "public.pem").write_text(key.pem)
    full = hashlib.sha256(key.raw).hexdigest()
    spellings = [
        key.fingerprint, key.fingerprint.replace("-", " ").upper(), full, key.base64, str(tmp_path / "public.pem"),
    ]  # fmt: skip
    assert {read_fingerprint(text) for text in spellings} == {key.fingerprint}


@pytest.mark.parametrize(
    "text",
    ["", "abcd", "f" * 33, base64.b64encode(b"short").decode(), "/nowhere/key.pem", "/", "ünïcode", "\x00"],
    ids=["nothing", "few digits", "odd digits", "short base64", "no file", "a folder", "unicode", "nul"],
)
def test_what_names_no_key_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="is no key: expected a fingerprint"):
        read_fingerprint(text)


def test_the_private_keys_own_file_is_not_taken_for_a_public_one(tmp_path: Path) -> None:
    load_or_make_key(tmp_path)
    with pytest.raises(ConfigError, match="is no key"):
        read_fingerprint(str(tmp_path / KEY_FILE))
