from __future__ import annotations

import pytest

from stream_server.events.evidence_zip.layout import is_name


@pytest.mark.parametrize("name", ["event.json", "faces/01.jpg", "a", "A-b_c.tar.gz", "_x/y/z.bin"])
def test_plain_relative_names_are_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "../x", "a/../b", "/etc/passwd", "a\\b", "C:/x", "C:x", "a\0b", ".hidden", "a/", "a//b", "a b", "é.jpg",
     "a\n", "..", ".", "x" * 101, "a/.b", "a:b"],
)  # fmt: skip
def test_what_a_system_could_take_for_something_else_is_no_name(name: str) -> None:
    assert not is_name(name)
