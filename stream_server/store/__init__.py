"""What outlives the process: score history, events and their evidence (SQLAlchemy; an SQLite file, or PostgreSQL).

StoreWriter (one thread: every write, in batches, and what is kept how long) -> Database <- readers (any thread)
"""
