"""What `deepfake-monitor bench` runs. Uses the cameras and peers of the tests."""
