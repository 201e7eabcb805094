from __future__ import annotations

import os
from pathlib import Path

import pytest

from analyzer.errors import ConfigError
from analyzer.evaluation.report.output import check_writable, write_whole


def test_a_file_appears_whole_and_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_an_older_file_keeps_who_may_read_it_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_looking_whether_it_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["no/such/out.json", ".", "a-file/out.json", "x" * 300])
def test_what_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(ConfigError):
        write_whole(tmp_path / name, b"")
    if len(name) < 300:
        with pytest.raises(ConfigError):
            check_writable(tmp_path / name)


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, b"through")
        assert os.read(reader, 100) == b"through"
        assert pipe.is_fifo()
    finally:
        os.close(reader)
