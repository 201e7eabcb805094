from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from analyzer.evaluation.results.kept import Kept, code_digest, key_of, state_of


def test_results_are_found_again_and_the_newest_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    kept = Kept(path)
    kept.add("a", {"score": 0.5, "file": "lone surrogate \udcff"})
    kept.add("a", {"score": 0.25})
    assert kept.find("a") == Kept(path).find("a") == {"key": "a", "score": 0.25}
    assert kept.find("b") is None


def test_nothing_is_written_without_a_path() -> None:
    kept = Kept(None)
    kept.add("a", {"score": 1})
    assert kept.find("a") == {"key": "a", "score": 1}


def test_a_line_that_was_cut_short_is_passed_over_and_not_written_on(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({"key": "a", "score": 1}) + '\n{"key": "b", "sco', encoding="utf-8")
    kept = Kept(path)
    assert kept.find("a") is not None
    assert kept.find("b") is None
    kept.add("c", {"score": 3})
    again = Kept(path)
    assert again.find("a") is not None
    assert again.find("c") == {"key": "c", "score": 3}


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\xff\x00binary\n", b"[1]\n3\nnull\n", b'{"key": 3}\n', b"[" * 100_000], ids=repr
)
def test_lines_that_are_no_results_do_no_harm(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(content)
    kept = Kept(path)
    kept.add("a", {"score": 1})
    assert Kept(path).find("a") == {"key": "a", "score": 1}


def test_a_place_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "results.jsonl"):
        with pytest.raises(ConfigError, match="cannot keep results"):
            Kept(path)


def test_keys_differ_with_every_part() -> None:
    assert key_of("a", 1, 6.0) == key_of("a", 1, 6.0)
    assert len({key_of(*parts) for parts in (("a", 1), ("a", 2), ("b", 1), ("a1",), ("a", "1", ""))}) == 5


def test_a_file_is_known_by_its_place_size_and_time(tmp_path: Path) -> None:
    one, twin, link = (tmp_path / name for name in ("one.mp4", "twin.mp4", "link.mp4"))
    for path in (one, twin):
        path.write_bytes(b"video")
        os.utime(path, ns=(1, 1))
    link.symlink_to(one)
    assert state_of(link) == state_of(one) != state_of(twin)
    before = state_of(one)
    os.utime(one, ns=(1, 2))
    assert state_of(one) != before
    with pytest.raises(FileNotFoundError):
        state_of(tmp_path / "none.mp4")


def test_code_is_known_by_its_names_and_words(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("x")
    other.write_text("y")
    digest = code_digest([one, other])
    assert code_digest([other, one]) == digest
    other.write_text("z")
    assert len({digest, code_digest([one, other]), code_digest([one])}) == 3
