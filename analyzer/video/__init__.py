"""One video file becomes one report."""
