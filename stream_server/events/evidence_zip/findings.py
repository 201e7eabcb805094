"""What the check of an evidence zip found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """What was done to a file, or to the zip."""

    CHANGED = "changed"
    """Other bytes than were signed, cut off, or not to be read at all."""
    MISSING = "missing"
    ADDED = "added"
    RENAMED = "renamed"
    OTHER_KEY = "other key"
    """Signed, but not with the key that was expected."""
    DAMAGED = "damaged"
    """The zip's list of files cannot be read; the files were searched for without it."""
    STRAY = "stray bytes"
    """Bytes that belong to no listed file: other programs may find files there."""
    REORDERED = "reordered"
    CONTAINER = "container"
    """The zip around the files is not as it was written, as after unpacking and packing again."""


_AROUND = frozenset({FindingKind.REORDERED, FindingKind.CONTAINER})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was signed."""

    kind: FindingKind
    file: str | None
    """Its name in the zip, made printable; None where it is the zip itself."""
    says: str
    """In words, printable, naming the file."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What `verify` found; nothing found means that every byte is as it was signed."""

    event_id: str | None
    """As the manifest says, which is worth what the signature is; None where that cannot be read."""
    made_at: float | None
    """Unix seconds, by the clock of the monitor; as above."""
    fingerprint: str | None
    """Of the key whose signature holds for the manifest; None when none does."""
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def contents_intact(self) -> bool:
        """All that any program would unpack is as it was signed, though the zip around it may not be."""
        return all(one.kind in _AROUND for one in self.findings)
