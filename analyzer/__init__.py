"""Pictures in, verdicts out: the live face-forensics half of deepfake-monitor.

Knows no asyncio, no sockets and no web. Only `analyzer.model` and `analyzer.training` import torch.
"""
