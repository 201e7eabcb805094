"""Named live video: the registry and its sources."""
