"""What an alert opens and what is kept of it: recording, evidence and its check."""
