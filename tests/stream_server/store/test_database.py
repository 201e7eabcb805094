from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from analyzer.errors import ConfigError, StoreError
from stream_server.store import migrations
from stream_server.store.database import FILE, Database, look
from stream_server.store.reading import get_event, parts_of
from stream_server.store.rows import save_event
from stream_server.store.tables import METADATA
from tests.events_of import PICTURE, an_event


def test_the_migrations_lead_to_the_tables_that_the_code_means(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_preparing_again_changes_nothing(database: Database) -> None:
    database.prepare()
    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0002"]


def test_a_database_of_the_version_before_is_brought_up_to_date_and_keeps_what_it_holds(database: Database) -> None:
    with database.engine.begin() as connection:  # as 0001 left it
        connection.execute(text("DROP TABLE notification_deliveries"))
        connection.execute(text("DROP TABLE notification_gates"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        event = an_event()
        save_event(connection, event, [])
    database.prepare()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert get_event(connection, event.id) == event


def test_a_newer_database_is_refused_in_words_and_left_as_it_is(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer deepfake-monitor \(tables 9999\)"):
        database.prepare()
    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


@pytest.mark.parametrize(
    "content",
    [b"no database at all, " * 100, b"SQLite format 3\0" + b"\xff" * 4000, b"\0" * 5000],
    ids=["text", "damaged", "zeros"],
)
def test_a_file_that_is_no_database_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    database = Database(tmp_path)
    with pytest.raises(StoreError, match="move it away") as refused:
        database.prepare()
    database.close()
    assert str(tmp_path / FILE) in str(refused.value)
    assert (tmp_path / FILE).read_bytes() == content


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    Database(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.prepare()
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob(f"{FILE}*")}
    database.close()
    assert modes == dict.fromkeys([FILE, f"{FILE}-wal", f"{FILE}-shm"], 0o600)


def test_a_folder_with_per_cent_signs_and_spaces_will_do(tmp_path: Path) -> None:
    database = Database(tmp_path / "100 %(here)s ü")
    database.prepare()
    database.close()
    assert (tmp_path / "100 %(here)s ü" / FILE).exists()


def test_two_monitors_cannot_share_a_folder(tmp_path: Path) -> None:
    first = Database(tmp_path)
    with pytest.raises(ConfigError, match="another monitor"):
        Database(tmp_path)
    first.close()
    Database(tmp_path).close()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot keep data there"):
        Database(tmp_path / "file")


@pytest.mark.parametrize(
    "url",
    ["mysql://u:hidden@h/d", "sqlite:///x.db", "not a url hidden", "", "http://hidden", "postgresql://host:hidden/db"],
)
def test_other_databases_are_refused_without_repeating_a_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://") as refused:
        Database(tmp_path, url)
    assert "hidden" not in str(refused.value)


def test_the_place_of_a_server_hides_its_password(tmp_path: Path) -> None:
    database = Database(tmp_path, "postgresql://monitor:hidden@db.example:5433/faces?password=hidden")
    assert database.place == "postgresql://db.example:5433/faces"
    database.close()


def test_a_server_that_is_not_there_is_told_as_what_may_pass(tmp_path: Path) -> None:
    database = Database(tmp_path, "postgresql://u:hidden@127.0.0.1:1/d")
    with pytest.raises(OperationalError) as refused:
        database.prepare()
    assert "hidden" not in str(refused.value)
    database.close()


def test_a_file_uses_the_write_ahead_log_and_gives_room_back(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.prepare()
    database.close()
    plain = sqlite3.connect(tmp_path / FILE)
    assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert plain.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    plain.close()


def test_a_migration_that_is_broken_off_has_changed_nothing(url: str | None, tmp_path: Path) -> None:
    database = Database(tmp_path / "data", url)

    with pytest.MonkeyPatch.context() as patch:
        real = op.create_index
        names: list[str] = []

        def create_index(name: str, *arguments: object, **options: object) -> None:
            names.append(name)
            if len(names) == 2:
                raise OperationalError("", {}, Exception("disk I/O error"))
            real(name, *arguments, **options)  # type: ignore[arg-type]  # as it came

        patch.setattr(op, "create_index", create_index)
        with pytest.raises(OperationalError, match="disk I/O error"):
            database.prepare()
    database.prepare()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.close()


def test_two_monitors_cannot_share_a_servers_database(postgres_url: str, tmp_path: Path) -> None:
    first, second = Database(tmp_path / "one", postgres_url), Database(tmp_path / "two", postgres_url)
    first.prepare()
    with pytest.raises(StoreError, match="another monitor"):
        second.prepare()
    first.close()
    second.prepare()
    second.close()


def test_looking_finds_the_very_file_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c%20d"
    database = Database(folder)
    database.prepare()
    assert f"{FILE}: tables " in look(folder)
    database.close()


_ALTERING = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{newest}"


def upgrade() -> None:
    with op.batch_alter_table("events") as table:
        table.alter_column("kind", type_=sa.String(50), existing_nullable=False)
{more}
"""


def _with_a_step(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Have one more migration after the newest."""
    real = Path(migrations.__file__).parent
    shutil.copytree(real, folder, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(path.name[:4] for path in real.glob("versions/0*.py"))
    (folder / "versions" / "9001_altering.py").write_text(_ALTERING.format(newest=newest, more=more))
    monkeypatch.setattr("stream_server.store.database._MIGRATIONS", folder)


def test_a_migration_that_makes_a_table_anew_keeps_what_hangs_on_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = an_event()
    with database.engine.begin() as connection:
        save_event(connection, event, [PICTURE])
    _with_a_step(tmp_path / "migrations", monkeypatch)
    database.prepare()
    with database.read() as connection:
        assert parts_of(connection, event.id) == (PICTURE,)
    with database.engine.begin() as connection:  # and what hangs on it still goes with it
        connection.execute(text("DELETE FROM events"))
        assert connection.execute(text("SELECT count(*) FROM event_parts")).scalar() == 0


def test_a_migration_that_would_leave_parts_without_their_event_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path / "data")
    database.prepare()
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [PICTURE])
    _with_a_step(tmp_path / "migrations", monkeypatch, '    op.execute("DELETE FROM events")')
    with pytest.raises(StoreError, match="1 rows would belong to nothing"):
        database.prepare()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 1
    database.close()


def test_the_server_too_notices_a_monitor_that_is_gone(postgres_url: str, tmp_path: Path) -> None:
    database = Database(tmp_path, postgres_url)
    with database.engine.connect() as connection:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        assert [connection.execute(text(f"SHOW {name}")).scalar() for name in names] == ["10", "5", "3"]
    database.close()


def test_another_file_in_its_place_is_not_read_with_the_old_one_s_log(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    for folder, events in ((tmp_path / "backup", 1), (tmp_path, 40)):
        database = Database(folder)
        database.prepare()
        with database.engine.begin() as connection:
            for number in range(events):
                save_event(connection, an_event(id=f"20260924T1430{number:02}-1f0c9a3b"), [PICTURE])
        if folder != tmp_path:
            database.close()
    database.check()
    assert (tmp_path / f"{FILE}-wal").stat().st_size > 0
    (tmp_path / "backup" / FILE).replace(tmp_path / FILE)
    with pytest.raises(StoreError, match="removed or replaced"):
        database.check()
    assert database.prepare()
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar() == 1
    database.close()


def test_a_file_that_is_removed_or_replaced_is_noticed_and_begun_anew(tmp_path: Path) -> None:
    database = Database(tmp_path)
    assert database.prepare()
    database.check()
    assert not database.prepare()
    with database.read() as reader:  # which has the log open
        reader.exec_driver_sql("SELECT 1")
        (tmp_path / FILE).unlink()
        with pytest.raises(StoreError, match="removed or replaced"):
            database.check()
        assert database.prepare()
    database.check()
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [PICTURE])
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()
