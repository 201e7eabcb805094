"""Networks and faces for tests of the model: random, but lively enough that a wrong order or state shows."""

from __future__ import annotations

import functools

import numpy as np
import torch

from analyzer.config import FACE_SIZE
from analyzer.datatypes import Box, FaceCrop, FaceKey, Pixels, Quality
from analyzer.model.network import DeepfakeNet, preprocess

FIT = Quality(reason=None, size_px=120.0, sharpness=100.0, brightness=120.0, yaw=0.0)


def random_face(seed: int) -> Pixels:
    """(224, 224, 3): coarse random colours under fine noise, so that faces of different seeds differ at every scale."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (14, 14, 3)).repeat(16, axis=0).repeat(16, axis=1)
    fine = rng.normal(0, 25, (FACE_SIZE, FACE_SIZE, 3))
    return np.clip(coarse + fine, 0, 255).astype(np.uint8)


def crop_of(
    pixels: Pixels, *, face_id: int = 1, at_s: float = 0.0, stream_id: str = "s", generation: int = 0
) -> FaceCrop:
    """A fit crop as the pipeline makes it."""
    return FaceCrop(
        key=FaceKey(stream_id, face_id),
        generation=generation,
        frame_index=int(at_s * 30),
        pts_s=at_s,
        received_at_s=at_s,
        box=Box(10, 10, 120, 120),
        quality=FIT,
        pixels=pixels,
    )


@functools.cache
def _lively_state(seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DeepfakeNet()
        faces = preprocess(torch.from_numpy(np.stack([random_face(1000 + i) for i in range(32)])))
        clips = faces.reshape(2, 16, 3, FACE_SIZE, FACE_SIZE)
        elapsed_s = torch.rand(2, 16)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
                module.momentum = None  # plain average: one pass gives the statistics of these faces
            elif isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        with torch.no_grad():
            net.train()
            net(clips, elapsed_s)
            # a random head barely moves: spread the logits to a standard deviation near 2, as a trained one has
            for head in (net.frame_path.head[1], net.window_path.head[1]):
                assert isinstance(head, torch.nn.Linear)
                head.weight.normal_(0, 0.25)
            net.frame_path.statistics.head.weight.normal_(0, 0.02)
            net.eval()
            frames = net.frame_path(faces)
            window = net.window_path(frames.features.reshape(2, 16, *frames.features.shape[1:]), elapsed_s)
            for head, logit in ((net.frame_path.head[1], frames.logit), (net.window_path.head[1], window.logit)):
                assert isinstance(head, torch.nn.Linear)
                head.bias.sub_(logit.mean())
            net.calibration.a.fill_(0.9)
            net.calibration.b.fill_(0.4)
            net.calibration.c.fill_(-0.2)
    return net.state_dict()


def lively_net(seed: int = 3) -> DeepfakeNet:
    """A network in eval mode whose logits differ clearly between windows, between orders and between elapsed times."""
    net = DeepfakeNet()
    net.load_state_dict(_lively_state(seed))
    return net.eval()
