"""Figures, plots, the log and the progress of a run."""
