"""Notifications that wait, those that were given up, and what rules hold back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "notification_deliveries",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("dead_at", sa.Double),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("notification_deliveries_by_death", "notification_deliveries", ["dead_at"])
    op.create_table(
        "notification_gates",
        sa.Column("rule", sa.String(64), primary_key=True),
        sa.Column("stream_id", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
