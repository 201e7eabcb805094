"""From alerts to events with evidence: what the last seconds looked like, kept in memory, and what becomes of it."""
