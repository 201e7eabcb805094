from __future__ import annotations

import io
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import EvidenceError
from stream_server.events.evidence_zip.layout import MAX_ENTRIES, MAX_FILE, MAX_TOTAL
from stream_server.events.evidence_zip.members import Listing, UnreadableError, content, list_members
from tests.stream_server.events.evidence_zip.zips import Raw, packed_again, raw_zip

FILES = [("a.txt", b"first"), ("faces/01.jpg", bytes(200_000)), ("empty", b"")]


def listed(data: bytes) -> Listing:
    return list_members(io.BytesIO(data), len(data))


def read(data: bytes, number: int = 0) -> bytes:
    return b"".join(content(io.BytesIO(data), listed(data).members[number]))


def deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_of_an_ordinary_zip_are_read(method: int) -> None:
    data = packed_again(FILES, method)
    members = listed(data).members
    assert [(one.name, b"".join(content(io.BytesIO(data), one))) for one in members] == FILES


@given(st.binary(max_size=300_000))
def test_whatever_was_deflated_comes_out_whole(data: bytes) -> None:
    assert read(packed_again([("a", data)])) == data


def test_bytes_before_the_zip_are_passed_over() -> None:
    data = b"#!/bin/sh\n" + packed_again(FILES)
    assert read(data) == b"first"


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"PK\3\4", b"not a zip at all" * 99, b"PK\5\6" * 9, bytes(70_000), b"\x1f\x8b" + bytes(100)],
    ids=["empty", "two bytes", "four bytes", "text", "marks", "zeros", "gzip"],
)
def test_what_is_no_zip_is_an_error(data: bytes) -> None:
    with pytest.raises(EvidenceError, match="it is no zip file: "):
        listed(data)


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (packed_again(FILES)[:-5], "missing or damaged"),
        (packed_again(FILES, zipfile.ZIP_STORED)[:-150], "missing or damaged"),
        (raw_zip([Raw(b"a")], count=2), "says that it has 2 files, and has 1"),
        (raw_zip([Raw(b"a")], count=0xFFFF), "ZIP64"),
        (raw_zip([Raw(b"a")], disk=1), "damaged"),
        (raw_zip([Raw(b"a")] * (MAX_ENTRIES + 1)), "more than 1000 files"),
        (raw_zip([Raw(b"x" * 60_000)] * 20), "larger than any"),
        (raw_zip([Raw(b"%d" % i, size=MAX_FILE, packed=9, method=8) for i in range(5)]), "more than 1024 MB unpacked"),
    ],
    ids=["no end", "no list", "count", "zip64", "disks", "many", "long names", "huge"],
)
def test_without_a_usable_list_the_files_are_searched_from_the_beginning(data: bytes, damage: str) -> None:
    found = listed(data)
    assert damage in found.damage
    assert 1 <= len(found.members) <= MAX_ENTRIES


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Raw(b"a", b"xyz", flags=1), "is encrypted"),
        (Raw(b"a", b"xyz", flags=1 << 6), "is encrypted"),
        (Raw(b"a", b"xyz", size=0xFFFFFFFF, packed=3), "ZIP64"),
        (Raw(b"a", b"xyz", size=MAX_FILE + 1, packed=3, method=8), "more than the 256 MB"),
        (Raw(b"a", b"xyz", method=12), "method 12"),
        (Raw(b"a", b"xyz", size=4), "two sizes"),
        (Raw(b"a", b"xyz", own_name=b"b"), "is called b by its own header"),
        (Raw(b"a", b"\xff" * 9, size=9, method=8), "cannot be unpacked"),
        (Raw(b"a", deflated(bytes(10)), size=9, method=8), "does not unpack to the 9 bytes"),
        (Raw(b"a", deflated(bytes(10)), size=11, method=8), "does not unpack to the 11 bytes"),
        (Raw(b"a", deflated(b"some text")[:-4], size=9, method=8), "does not unpack to the 9 bytes"),
        (Raw(b"a", deflated(bytes(10)) + b"PK", size=10, method=8), "followed by bytes that are none of its own"),
        (Raw(b"a", deflated(bytes(10)) + bytes(99_999), size=10, method=8), "followed by bytes that are none of its"),
    ],
    ids=[
        "encrypted", "strongly", "zip64", "huge", "method", "sizes", "names", "garbage", "longer", "shorter", "cut",
        "more behind", "much more behind",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(one: Raw, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        read(raw_zip([one]))


def test_a_file_that_is_cut_off_says_how_much_is_missing() -> None:
    data = packed_again([("a", bytes(1000))], zipfile.ZIP_STORED)[:531]
    with pytest.raises(UnreadableError, match="is cut off: 500 of its 1000 bytes are missing"):
        read(data)


def test_a_bomb_is_unpacked_no_further_than_it_said() -> None:
    bomb = Raw(b"a", deflated(bytes(50_000_000)), size=1000, method=8)
    data = raw_zip([bomb])
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="does not unpack"):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("at", "size"), [(8, 2), (18, 4), (22, 4)], ids=["method", "packed size", "size"])
def test_a_file_that_its_own_header_describes_otherwise_is_not_read(at: int, size: int) -> None:
    data = bytearray(packed_again(FILES, zipfile.ZIP_STORED))
    data[at : at + size] = (8).to_bytes(size, "little")
    with pytest.raises(UnreadableError, match="described otherwise by its own header"):
        read(bytes(data))


def test_files_that_share_bytes_are_not_read() -> None:
    data = raw_zip([Raw(b"a", b"x" * 50), Raw(b"b", b"y"), Raw(b"a", b"x" * 50, same_place_as=0)])
    told = [one.trouble for one in listed(data).members]
    assert told == ["shares bytes with another file of the zip", "", "shares bytes with another file of the zip"]


def test_a_file_inside_another_is_not_read() -> None:
    inner = raw_zip([Raw(b"b", b"y")])
    outer = raw_zip([Raw(b"a", inner), Raw(b"b", b"y", same_place_as=0)])
    where = outer.rindex(b"PK\1\2") + 42
    data = outer[:where] + (31).to_bytes(4, "little") + outer[where + 4 :]
    assert {one.trouble for one in listed(data).members} == {"shares bytes with another file of the zip"}


def test_a_file_whose_header_is_elsewhere_says_so() -> None:
    data = bytearray(packed_again(FILES))
    data[0] ^= 1
    with pytest.raises(UnreadableError, match="its header is damaged"):
        read(bytes(data))


@pytest.mark.parametrize("name", [b"\xff\xfe", "é".encode()], ids=["no UTF-8", "not marked as UTF-8"])
def test_names_that_are_no_text_are_spelled_out(name: bytes) -> None:
    assert listed(raw_zip([Raw(name)])).members[0].name == name.decode("ascii", "backslashreplace")


def test_what_would_be_unpacked_in_all_is_bounded_in_a_damaged_zip_too() -> None:
    files = [Raw(b"%d" % i, size=MAX_FILE, packed=0, method=8) for i in range(50)]
    found = listed(raw_zip(files)[:-10])
    assert sum(one.size for one in found.members) <= MAX_TOTAL + MAX_FILE
