from __future__ import annotations

import math
from pathlib import Path

import pytest

from analyzer.datatypes import NotScored, Observation, Observed
from analyzer.errors import ConfigError, StoreError
from stream_server.events.archive import Archive
from stream_server.events.evidence_zip.keys import KEY_FILE
from stream_server.live.clock import WallClock
from stream_server.settings.schema import Settings, StorageSettings
from stream_server.store.database import FILE
from stream_server.store.reading import Observed as Stored
from stream_server.store.reading import observations_of
from tests.stream_server.app_of import QUICK, running_app

OFFSET = 1_790_000_000.0


def _archive(folder: Path) -> Archive:
    clock = WallClock(lambda: 0.0, lambda: OFFSET)
    return Archive(StorageSettings(data_dir=folder, score_hours=8760, history_days=3650), clock)


def _stored(archive: Archive) -> list[Stored]:
    archive.store.writer.submit(lambda _: None).result(10)
    return archive.store.read_now(lambda connection: list(observations_of(connection, "cam", 0, 1e12)))


def test_scores_and_reasons_are_kept_with_unix_time_and_what_is_neither_is_not(tmp_path: Path) -> None:
    archive = _archive(tmp_path)
    archive.open()
    try:
        for observation in (
            Observation(1.0, 1, filled=3),  # still filling
            Observation(2.0, 1, filled=16, logit=0.5),
            Observation(3.0, 1, filled=16, logit=math.nan),
            Observation(4.0, 1, filled=16, logit=-math.inf),
            Observation(5.0, 1, unfit=NotScored.DARK),
            Observation(6.0, 1, ended=True),
        ):
            archive._keep(Observed("cam", observation))
        assert _stored(archive) == [
            Stored("cam", 1, OFFSET + 2, 0.5, None),
            Stored("cam", 1, OFFSET + 5, None, "too dark"),
        ]
    finally:
        archive.close()
    archive.close()


def test_the_key_is_made_once_and_stays(tmp_path: Path) -> None:
    fingerprints = set()
    for _ in range(2):
        archive = _archive(tmp_path)
        archive.open()
        fingerprints.add(archive.key.public.fingerprint)
        archive.close()
    assert len(fingerprints) == 1
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_was_sending_is_removed(tmp_path: Path) -> None:
    (tmp_path / "export-abc.zip").write_bytes(b"half of it")
    archive = _archive(tmp_path)
    archive.open()
    archive.close()
    assert not list(tmp_path.glob("export-*"))


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [(KEY_FILE, ConfigError, "key"), (FILE, StoreError, "move it away")],
    ids=["key", "database"],
)
def test_a_monitor_does_not_start_on_files_that_are_not_its_own_and_leaves_them_alone(
    tmp_path: Path, name: str, kind: type[Exception], words: str
) -> None:
    (tmp_path / name).write_bytes(b"something else, " * 100)
    settings = Settings(analyzer=QUICK, storage=StorageSettings(data_dir=tmp_path))
    with pytest.raises(kind, match=words), running_app(settings):
        pass
    assert (tmp_path / name).read_bytes() == b"something else, " * 100
    archive = _archive(tmp_path)  # and it has let go of the folder
    archive.close()


def test_a_second_monitor_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    settings = Settings(analyzer=QUICK, storage=StorageSettings(data_dir=tmp_path))
    with running_app(settings), pytest.raises(ConfigError, match="another monitor"), running_app(settings):
        pass
