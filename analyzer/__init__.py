"""Frames in, verdicts out: the face forensics of deepfake-monitor.

Uses no asyncio, sockets or web. Only `analyzer.model`, `analyzer.training` and `analyzer.evaluation` import torch.
"""
