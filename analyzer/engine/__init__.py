"""Streams in, scores and verdicts out: the vision threads, the batcher and the model thread."""
