"""Stages A, B and C: from samples to weights and their card."""
