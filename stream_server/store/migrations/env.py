"""Alembic's entry: runs the steps on the connection that `Database.prepare` hands over."""

from __future__ import annotations

from alembic import context

from stream_server.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter most of a table: alembic then makes a new one and copies
    render_as_batch=True,
    transaction_per_migration=False,
    # alembic takes SQLite for a database that cannot; `Database` begins its transactions itself
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
