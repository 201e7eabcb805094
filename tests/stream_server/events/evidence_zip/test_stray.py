"""Bytes in no listed file, told from what programs that zip add around files."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stream_server.events.evidence_zip import container
from stream_server.events.evidence_zip.findings import FindingKind, Findings
from stream_server.events.evidence_zip.verify import verify
from tests.evidence_of import a_zip
from tests.stream_server.events.evidence_zip.zips import Raw, files_of, raw_zip


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_zip(tmp_path_factory.mktemp("evidence"))


def check(folder: Path, data: bytes) -> Findings:
    path = folder / "checked.zip"
    path.write_bytes(data)
    return verify(path)


def kinds(found: Findings) -> set[tuple[FindingKind, str | None]]:
    return {(one.kind, one.file) for one in found.findings}


def test_a_forged_file_between_the_others_or_before_them_is_not_told_to_be_only_around_them(
    evidence: Path, tmp_path: Path
) -> None:
    data, forged = evidence.read_bytes(), container.write([("strip.jpg", b"other")])
    header = raw_zip([Raw(b"strip.jpg", b"other")])[: 30 + len("strip.jpgother")]
    with zipfile.ZipFile(evidence) as opened:
        places = [*(info.header_offset for info in opened.infolist()[1:]), opened.start_dir]
    in_gaps = [moved(data, place, header) for place in places]
    for changed in (forged + data, header + data, data[:-2] + len(header).to_bytes(2, "little") + header, *in_gaps):
        found = check(tmp_path, changed)
        assert kinds(found) == {(FindingKind.STRAY, None)}
        assert not found.contents_intact
        assert "other programs may find other files there" in found.findings[0].says


def moved(data: bytes, place: int, more: bytes) -> bytes:
    """The zip with `more` at `place`, and its list of files true of where they are now."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        start = opened.start_dir
    changed = bytearray(data[:place] + more + data[place:])
    at = start + len(more)
    while changed[at : at + 4] == b"PK\1\2":
        (header_at,) = struct.unpack_from("<I", changed, at + 42)
        if header_at >= place:
            struct.pack_into("<I", changed, at + 42, header_at + len(more))
        at += 46 + sum(struct.unpack_from("<3H", changed, at + 28))
    struct.pack_into("<I", changed, at + 16, start + len(more))
    return bytes(changed)


def test_a_folder_that_holds_something_is_told(evidence: Path, tmp_path: Path) -> None:
    files = [Raw(name.encode(), data) for name, data in files_of(evidence).items()]
    found = check(tmp_path, raw_zip([Raw(b"faces/", b"\3\0" + b"PK\3\4 another file", size=0, method=8), *files]))
    assert (FindingKind.CHANGED, "faces/") in kinds(found)


def test_what_was_packed_without_going_back_is_told_from_changed(evidence: Path, tmp_path: Path) -> None:
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(OneWay(buffer), "w", method) as made:
            for name, data in files_of(evidence).items():
                made.writestr(name, data)
        found = check(tmp_path, buffer.getvalue())
        assert kinds(found) == {(FindingKind.CONTAINER, None)}
        assert found.contents_intact


class OneWay(io.RawIOBase):
    """What can only be written to, as a pipe."""

    def __init__(self, into: io.BytesIO) -> None:
        self._into = into

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._into.write(data)
