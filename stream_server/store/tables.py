"""The tables. What stands here is what the newest migration leaves behind; a test compares the two."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA: Final = MetaData()

_ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up rows by itself only where the type is INTEGER, which holds 64 bits there."""

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("stream_id", String(64), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("mark", String(16)),
    Column("started_at", Double, nullable=False),
    Column("body", Text, nullable=False),  # the whole event as JSON, but for its parts
    Column("part_bytes", BigInteger, nullable=False),
    Index("events_by_stream", "stream_id", "id"),
)

PARTS: Final = Table(
    "event_parts",
    METADATA,
    Column("event_id", String(32), ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

OBSERVATIONS: Final = Table(
    "observations",
    METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("stream_id", String(64), nullable=False),
    Column("face_id", BigInteger, nullable=False),
    Column("at", Double, nullable=False),  # Unix seconds
    Column("logit", Double),  # calibrated; null where the face was not scored
    Column("unfit", String(40)),  # why it was not
    Index("observations_by_stream", "stream_id", "at"),
)

BUCKETS: Final = Table(
    "score_buckets",
    METADATA,
    Column("stream_id", String(64), primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),  # Unix seconds, a multiple of ten
    Column("face_id", BigInteger, primary_key=True, autoincrement=False),
    Column("scores", Integer, nullable=False),
    Column("probability_sum", Double, nullable=False),
    Column("probability_max", Double, nullable=False),
    Column("unfit", Integer, nullable=False),  # pictures of the face that could not be judged
    Index("score_buckets_by_start", "start"),
)

DELIVERIES: Final = Table(
    "notification_deliveries",
    METADATA,
    Column("id", String(48), primary_key=True),  # sorts by the time that it was made
    Column("rule", String(64), nullable=False),
    Column("stream_id", String(64), nullable=False),
    Column("dead_at", Double),  # Unix seconds; null while it waits
    Column("body", Text, nullable=False),  # the delivery as JSON, without any address
    Index("notification_deliveries_by_death", "dead_at"),
)

GATES: Final = Table(
    "notification_gates",
    METADATA,
    Column("rule", String(64), primary_key=True),
    Column("stream_id", String(64), primary_key=True),
    Column("body", Text, nullable=False),  # until when it is closed and what it holds back, as JSON
)
