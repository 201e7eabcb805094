"""Scores over time become verdicts and alerts, live and replayed."""
