"""Labelled crops and windows drawn from the tracks."""
