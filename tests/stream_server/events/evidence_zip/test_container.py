from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from stream_server.events.evidence_zip.container import Entry, first_difference, write

FILES = [("event.json", b"{}"), ("faces/01.jpg", bytes(range(256))), ("empty", b"")]
ENTRIES = [Entry(name, len(data), zlib.crc32(data)) for name, data in FILES]


def difference(data: bytes) -> str | None:
    return first_difference(io.BytesIO(data), len(data), ENTRIES)


def test_other_programs_read_it() -> None:
    with zipfile.ZipFile(io.BytesIO(write(FILES))) as opened:
        assert opened.testzip() is None
        assert [(info.filename, opened.read(info)) for info in opened.infolist()] == FILES
        assert {(info.compress_type, info.date_time, info.external_attr >> 16) for info in opened.infolist()} == {
            (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 0o100644)
        }
        assert (opened.comment, {info.extra for info in opened.infolist()}) == (b"", {b""})


def test_the_same_files_give_the_same_bytes() -> None:
    assert write(FILES) == write(FILES)


def test_what_was_written_differs_nowhere() -> None:
    assert difference(write(FILES)) is None


def test_every_bit_around_the_files_is_compared() -> None:
    data = write(FILES)
    contents = {data.index(content) + i for _, content in FILES for i in range(len(content))}
    for position in set(range(len(data))) - contents:
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            assert difference(bytes(changed)) is not None, (position, bit)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda data: data + b"x", "bytes after its end"),
        (lambda data: b"x" + data, "the header of event.json"),
        (lambda data: data[:-1], "the list of files at its end"),
        (lambda data: data[:10], "the header of event.json"),
        (lambda data: b"", "the header of event.json"),
    ],
    ids=["longer", "shifted", "shorter", "cut off", "empty"],
)
def test_where_it_differs_is_told(change: object, where: str) -> None:
    assert callable(change)
    assert difference(change(write(FILES))) == where
