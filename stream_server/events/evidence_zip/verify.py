"""Whether an evidence zip is as it was signed, and if not, what was done to it. Nothing is unpacked to disk.

Three things are compared: the signature with the exact bytes of the manifest, each file with the manifest, and the zip
around them with the only form that evidence has (`container`). Together that is every byte.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from analyzer.errors import EvidenceError
from analyzer.printable import printable
from stream_server.events.evidence_zip.container import Entry, first_difference
from stream_server.events.evidence_zip.findings import Finding, FindingKind, Findings
from stream_server.events.evidence_zip.layout import (
    EVENT,
    MANIFEST,
    MAX_HEADERS,
    MAX_MANIFEST,
    MAX_SIGNATURE,
    MAX_TOTAL,
    SIGNATURE,
    is_name,
)
from stream_server.events.evidence_zip.manifest import Listed, Manifest, Signature, parse_manifest, parse_signature
from stream_server.events.evidence_zip.members import Listing, Member, UnreadableError, content, list_members
from stream_server.events.evidence_zip.stray import stray_bytes

_KEPT: Final = {MANIFEST: MAX_MANIFEST, SIGNATURE: MAX_SIGNATURE}
"""Files whose content is kept, and of how many bytes; of all others only sums are made."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a file of the zip really holds."""

    member: Member
    size: int
    sha256: str
    crc: int
    data: bytes
    """Of the two in `_KEPT`; else empty."""


def verify(path: Path, expected_key: str | None = None) -> Findings:
    """Check an evidence zip, against the fingerprint (`keys.read_fingerprint`) of the key that should have signed it.

    Raises `EvidenceError` for what is no evidence zip at all, `OSError` for what cannot be read. Reads at most
    `MAX_TOTAL` bytes of files, and keeps a few MB in memory.
    """
    name = printable(path.name)
    if not stat.S_ISREG(path.stat().st_mode):
        raise EvidenceError(f"{name} is no evidence zip: it is no file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_TOTAL + MAX_HEADERS:
            raise EvidenceError(f"{name} is no evidence zip: larger than any, {size} bytes")
        try:
            return _Check(file, size, expected_key).run()
        except EvidenceError as error:
            raise EvidenceError(f"{name} is no evidence zip: {error}") from error


class _Check:
    """One check of one file: each step adds what it found."""

    def __init__(self, file: BinaryIO, size: int, expected_key: str | None) -> None:
        self._file = file
        self._size = size
        self._expected_key = expected_key
        self._found: list[Finding] = []

    def run(self) -> Findings:
        listing = list_members(self._file, self._size)
        _require_evidence(listing)
        if listing.damage:
            self._add(FindingKind.DAMAGED, None, f"the zip itself is damaged or cut off: {listing.damage}")
        seen = self._read(listing)
        manifest = self._manifest(seen.get(MANIFEST))
        signature = self._signature(seen.get(SIGNATURE))
        signed_by = self._signed_by(seen.get(MANIFEST), signature)
        if manifest is not None:
            self._compare(manifest, seen, listing)
        if not listing.damage:
            self._container(listing)
        return Findings(
            event_id=manifest.event_id if manifest else None,
            made_at=manifest.made_at if manifest else None,
            fingerprint=signed_by,
            findings=tuple(self._found),
        )

    def _add(self, kind: FindingKind, file: str | None, says: str) -> None:
        self._found.append(Finding(kind, None if file is None else printable(file), printable(says)))

    def _read(self, listing: Listing) -> dict[str, _Seen]:
        """Every file that may be read, by name; what may not be is a finding."""
        count = Counter(member.name for member in listing.members)
        seen: dict[str, _Seen] = {}
        for member in listing.members:
            if _is_folder(member):  # programs that zip add them
                self._sums(member)  # it says so where they hold something after all
                continue
            name = member.name[:200] or "a file without a name"
            if not is_name(member.name):
                self._add(FindingKind.ADDED, name, f"{name} was added: a name that no file of evidence has")
            elif member.name in seen:
                self._add(FindingKind.ADDED, name, f"{name} is in the zip {count[name]} times")
            else:
                found = self._sums(member)
                if found is not None:
                    seen[member.name] = found
        return seen

    def _sums(self, member: Member) -> _Seen | None:
        name, kept = member.name, bytearray()
        sha256, crc, size = hashlib.sha256(), 0, 0
        try:
            for data in content(self._file, member):
                sha256.update(data)
                crc = zlib.crc32(data, crc)
                size += len(data)
                if size <= _KEPT.get(name, 0):
                    kept += data
        except UnreadableError as error:
            self._add(FindingKind.CHANGED, name, f"{name} {error}")
            return None
        if size > _KEPT.get(name, size):
            self._add(FindingKind.CHANGED, name, f"{name} was changed: {size} bytes, more than any has")
            return None
        if crc != member.crc and name in _KEPT:
            self._add(FindingKind.CHANGED, name, f"{name} was changed: the zip's checksum does not fit it")
        return _Seen(member, size, sha256.hexdigest(), crc, bytes(kept))

    def _manifest(self, seen: _Seen | None) -> Manifest | None:
        if seen is None:
            self._missing(MANIFEST, "what was signed cannot be told")
            return None
        try:
            manifest = parse_manifest(seen.data)
        except ValueError as error:
            self._add(FindingKind.CHANGED, MANIFEST, f"{MANIFEST} was changed, it is no list of files: {error}")
            return None
        broken = manifest.broken_link()
        if broken is not None:
            says = (
                f"{MANIFEST} was changed: its chain breaks at {broken}, which was changed, moved, put in or taken out"
            )
            self._add(FindingKind.CHANGED, MANIFEST, says)
        return manifest

    def _signature(self, seen: _Seen | None) -> Signature | None:
        if seen is None:
            self._missing(SIGNATURE, "nobody vouches for the rest")
            return None
        try:
            signature = parse_signature(seen.data)
        except ValueError as error:
            self._add(FindingKind.CHANGED, SIGNATURE, f"{SIGNATURE} was changed, it is no signature: {error}")
            return None
        if self._expected_key not in {None, signature.key.fingerprint}:
            says = f"signed with another key: {signature.key.fingerprint} instead of {self._expected_key}"
            self._add(FindingKind.OTHER_KEY, SIGNATURE, says)
        return signature

    def _signed_by(self, seen: _Seen | None, signature: Signature | None) -> str | None:
        if seen is None or signature is None:
            return None
        if not signature.holds_for(seen.data):
            says = f"{MANIFEST} is not what was signed: it or {SIGNATURE} was changed"
            self._add(FindingKind.CHANGED, MANIFEST, says)
            return None
        return signature.key.fingerprint

    def _missing(self, name: str, then: str) -> None:
        if not any(one.file == name for one in self._found):  # else it is there, but cannot be read
            self._add(FindingKind.MISSING, name, f"{name} is missing: {then}")

    def _compare(self, manifest: Manifest, seen: dict[str, _Seen], listing: Listing) -> None:
        """The files with the list of them."""
        listed = {one.name: one for one in manifest.entries}
        known = {*listed, *_KEPT}
        strangers = {found.sha256: name for name, found in seen.items() if name not in known}
        renamed: set[str] = set()
        for one in manifest.entries:
            found = seen.get(one.name)
            if found is not None:
                self._compare_file(one, found)
            elif one.sha256 in strangers:
                other = strangers[one.sha256]
                renamed.add(other)
                self._add(FindingKind.RENAMED, one.name, f"{one.name} was renamed, to {other}")
            else:
                self._missing(one.name, "it was taken out")
        for name in seen:
            if name not in known and name not in renamed:
                self._add(FindingKind.ADDED, name, f"{name} was added: it is not in {MANIFEST}")
        self._compare_order([*listed, *_KEPT], [member.name for member in listing.members if member.name in known])

    def _compare_file(self, listed: Listed, found: _Seen) -> None:
        if (found.size, found.sha256) != (listed.size, listed.sha256):
            says = (
                f"{listed.name} was changed: {found.size} bytes with sha256 {found.sha256}, "
                f"and not {listed.size} with {listed.sha256} as listed"
            )
            self._add(FindingKind.CHANGED, listed.name, says)
        elif found.crc != found.member.crc:
            says = f"the zip's own checksum of {listed.name} was changed, though not the file"
            self._add(FindingKind.CONTAINER, listed.name, says)

    def _compare_order(self, signed: list[str], now: list[str]) -> None:
        there = [name for name in signed if name in set(now)]
        moved = [name for name, other in zip(dict.fromkeys(now), there, strict=True) if name != other]
        if moved:
            says = f"the files were put into another order, from {moved[0]} to {moved[-1]}"
            self._add(FindingKind.REORDERED, moved[0], says)

    def _container(self, listing: Listing) -> None:
        stray = stray_bytes(self._file, self._size, listing)
        if stray is not None:
            says = (
                f"the zip holds bytes that are in no listed file ({stray}): other programs may find other files there"
            )
            self._add(FindingKind.STRAY, None, says)
            return
        if any(not is_name(member.name) for member in listing.members):
            where: str | None = "names"
        else:
            entries = [Entry(member.name, member.size, member.crc) for member in listing.members]
            where = first_difference(self._file, self._size, entries)
        if where is not None:
            says = f"the zip around the files is not as it was written (first at {where}): unpacked and packed again?"
            self._add(FindingKind.CONTAINER, None, says)


def _is_folder(member: Member) -> bool:
    return member.name.endswith("/") and member.size == 0 and is_name(member.name[:-1])


def _require_evidence(listing: Listing) -> None:
    """Two of three names that every evidence zip has, or its beginning where the end is gone."""
    names = [member.name for member in listing.members]
    begins = bool(listing.damage) and names[:1] == [EVENT]
    if len({EVENT, MANIFEST, SIGNATURE} & set(names)) < 2 and not begins:
        raise EvidenceError(
            f"expected {EVENT}, {MANIFEST} and {SIGNATURE} in it, but it has {_some(names)}; "
            "if it was packed again, the files must be at its top, in no folder"
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name[:80]) for name in names[:3])
    return f"{shown}{' ...' if len(names) > 3 else ''}" if names else "nothing"
