"""How a database comes to the newest tables, step by step (alembic). Never edit a step that was released: add one."""
