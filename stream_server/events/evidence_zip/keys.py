"""The key that signs evidence: one for each monitor, made on its first run and kept in its data folder."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import logging
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from analyzer.errors import ConfigError
from analyzer.printable import printable

log = logging.getLogger(__name__)

KEY_FILE: Final = "evidence-key.pem"
FINGERPRINT_FILE: Final = "evidence-key.fingerprint"
"""Of the key that was used last, so that another one in its place is noticed."""
_RAW_BYTES: Final = 32
_MAX_FILE: Final = 64 * 1024
"""Bytes; a key's file has 119."""
_SHOWN: Final = 32
"""Hex digits of a fingerprint, 128 bits: no second key with the same ones can be made."""
_HEX: Final = re.compile(rf"[0-9a-f]{{{_SHOWN}}}(?:[0-9a-f]{{{64 - _SHOWN}}})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Says whether the holder of the signing key signed something."""

    raw: bytes
    """32 bytes (RFC 8032)."""

    @property
    def base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> str:
        encoded = Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return encoded.decode()

    @property
    def fingerprint(self) -> str:
        """The first half of the raw key's SHA-256, as eight groups of four hex digits, for people to compare."""
        digits = hashlib.sha256(self.raw).hexdigest()[:_SHOWN]
        return "-".join(digits[i : i + 4] for i in range(0, _SHOWN, 4))

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether it is this key's signature of this message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):  # the latter: no point of the curve
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Signs. Immutable, so any thread may."""

    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """64 bytes, the same ones for the same message (RFC 8032)."""
        return self._private.sign(message)


def load_or_make_key(folder: Path) -> SigningKey:
    """The key of this data folder, made when there is none yet. An existing file is never replaced.

    Raises `ConfigError` for a file that is no such key, and when it cannot be read or written.
    """
    path = folder / KEY_FILE
    try:
        is_new = not os.path.lexists(path)
        if is_new:
            folder.mkdir(parents=True, exist_ok=True)
            _write_new(path, Ed25519PrivateKey.generate())
        key = _read(path)
        _tell(folder, key.public.fingerprint, is_new=is_new)
        return key
    except OSError as error:
        raise ConfigError(
            f"{path}: the key that signs evidence can neither be read nor made: {error.strerror or error}; "
            "give the monitor's user access to that folder"
        ) from error


def _tell(folder: Path, fingerprint: str, *, is_new: bool) -> None:
    """Say in the log where a key is new, or another than before: evidence is worth what is known of its key."""
    path = folder / FINGERPRINT_FILE
    with contextlib.suppress(OSError):  # without this file evidence is signed all the same
        before = path.read_text(errors="replace").strip()[:100] if path.exists() else ""
        if before == fingerprint:
            return
        if before:
            log.warning(
                "the key that signs evidence was replaced: it was %s, it is %s from now on",
                printable(before),
                fingerprint,
            )
        elif is_new:
            log.warning(
                "made a key that signs evidence, %s; its fingerprint is %s: write it down",
                folder / KEY_FILE,
                fingerprint,
            )
        path.write_text(f"{fingerprint}\n")


def _read(path: Path) -> SigningKey:
    with path.open("rb") as file:
        data = file.read(_MAX_FILE)
        mode = os.fstat(file.fileno()).st_mode
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise _no_key(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    if os.name == "posix" and mode & 0o077:
        log.warning("%s: other users of this machine may read the key that signs evidence; chmod 600 it", path)
    return SigningKey(key)


def _no_key(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is no Ed25519 private key in PEM (PKCS8, without a password): put the right file there from your "
        "backup, or move this one away and start again, which makes a new key with another fingerprint"
    )


def _write_new(path: Path, key: Ed25519PrivateKey) -> None:
    """Whole or not at all; of two monitors that start at once, one's key stands and both read it."""
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _put(made, path)
    finally:
        made.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _put(made: Path, path: Path) -> None:
    try:
        path.hardlink_to(made)  # unlike a rename it fails where another process was first
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not os.path.lexists(path):
            made.rename(path)


def _sync_folder(folder: Path) -> None:
    """So that the name survives a power cut too."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_fingerprint(text: str) -> str:
    """The fingerprint that somebody gave: itself, however grouped, a public key in base64, or the PEM file of one.

    Raises `ConfigError` for anything else.
    """
    digits = re.sub(r"[\s:-]", "", text).lower()
    if _HEX.fullmatch(digits):
        return "-".join(digits[i : i + 4] for i in range(0, _SHOWN, 4))
    key = _from_base64(text) or _from_file(text)
    if key is None:
        raise ConfigError(
            f"{text!r} is no key: expected a fingerprint such as 1f0a-... (32 hex digits), an Ed25519 public key in "
            "base64, or the PEM file of one"
        )
    return key.fingerprint


def _from_base64(text: str) -> PublicKey | None:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        return None
    return PublicKey(raw) if len(raw) == _RAW_BYTES else None


def _from_file(text: str) -> PublicKey | None:
    try:
        with Path(text).open("rb") as file:
            key = load_pem_public_key(file.read(_MAX_FILE))
    except (OSError, ValueError, UnsupportedAlgorithm):
        return None
    return PublicKey(key.public_bytes_raw()) if isinstance(key, Ed25519PublicKey) else None
