"""The command `deepfake-monitor`."""
