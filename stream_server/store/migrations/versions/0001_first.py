"""The first tables: events with their parts, observations, score buckets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "events",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("mark", sa.String(16)),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("part_bytes", sa.BigInteger, nullable=False),
    )
    op.create_index("events_by_stream", "events", ["stream_id", "id"])
    op.create_table(
        "event_parts",
        sa.Column("event_id", sa.String(32), sa.ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "observations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("face_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("logit", sa.Double),
        sa.Column("unfit", sa.String(40)),
    )
    op.create_index("observations_by_stream", "observations", ["stream_id", "at"])
    op.create_table(
        "score_buckets",
        sa.Column("stream_id", sa.String(64), primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("face_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("scores", sa.Integer, nullable=False),
        sa.Column("probability_sum", sa.Double, nullable=False),
        sa.Column("probability_max", sa.Double, nullable=False),
        sa.Column("unfit", sa.Integer, nullable=False),
    )
    op.create_index("score_buckets_by_start", "score_buckets", ["start"])
