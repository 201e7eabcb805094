"""The pointing game: does the map of where the network looked point at what was changed? (Zhang et al., ECCV 2016).

On pseudo-fakes it is known which cells were changed, so it can be counted how often the map's highest cell is one of
them. That alone says little: faces are in the middle of their crops, and so are masks. So others play along that know
nothing: the same network on the real partner, networks with random weights, fixed cells, chance.

A cell is in the target when its value, the degraded mask's or seam's mean over the cell, is at least half of the
highest cell's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import Progress

from analyzer.config import MAP_SIZE, NUM_FRAMES
from analyzer.datatypes import Box, Pixels
from analyzer.errors import ConfigError, WeightsError
from analyzer.evaluation.results.section_figures import PointingFigures, PointingRow, Share
from analyzer.evaluation.sections.real_faces import Found, real_faces
from analyzer.faces.crop import crop_face
from analyzer.faces.geometry import Mask
from analyzer.model.card import default_weights_dir, find_weights
from analyzer.model.network import DeepfakeNet, preprocess
from analyzer.model.weights import load_weights
from analyzer.scorer import ScorerInfo
from analyzer.training.augment.degradation import Degradation, degrade, degrade_mask, draw_degradation
from analyzer.training.data.manifest import Row
from analyzer.training.pseudofakes.synthesis import FAMILIES, STILL_FAMILIES, make_pair
from analyzer.training.reporting.metrics import MIN_SOURCES
from analyzer.training.sampling.samples import choose_window

Maps = npt.NDArray[np.float64]
"""(n, 7, 7)."""
MapMaker = Callable[[Sequence[Pixels]], Maps]
"""n crops of 224 x 224 -> where it looked in each."""

FACES: Final = 4
"""Faces looked at of each window: neighbours say nearly the same."""
VISIBLE: Final = 0.05
"""A face whose most foreign cell is less foreign than this was not changed to speak of, and is left out."""
RANDOM_NETS: Final = 3
MOST_FILES: Final = 120
"""Real videos that are played on, each with every family; of a longer list as many, spread over the sources."""
BATCH: Final = 8
DRAWS: Final = 2000
ALL: Final = "all"
TARGETS: Final = ("seam", "mask")


@dataclass(frozen=True, slots=True)
class Scene:
    """Some faces of one pseudo-fake window, with their real partners and what is known of them."""

    track: int
    family: str
    fake: list[Pixels]
    real: list[Pixels]
    seams: Maps
    masks: Maps


def scenes(found: Sequence[Found], seed: int, families: Sequence[str] = FAMILIES) -> Iterator[Scene]:
    """One window per track and family, mildly degraded; of pictures one face, and none of families that need time."""
    for index, (_, track) in enumerate(found):
        for family in families:
            still = len(track.jpegs) < NUM_FRAMES
            if still and family not in STILL_FAMILIES:
                continue
            rng = np.random.default_rng((seed, 5, index, FAMILIES.index(family)))
            chosen = [0] if still else choose_window(rng, track.at_s)[0]
            pair = make_pair(track.frames(chosen), track.marks(chosen), int(rng.integers(2**31)), family)
            degradation = draw_degradation(rng, track.side, len(chosen), mild=True)
            seen = [place for place, frame in enumerate(degradation.order) if pair.frame_fake[frame]]
            looked_at = [seen[round(i * (len(seen) - 1) / max(1, FACES - 1))] for i in range(FACES)] if seen else []
            looked_at = sorted(set(looked_at))
            masks = {
                place: _mask_cells(pair.masks[degradation.order[place]], degradation, place) for place in looked_at
            }
            looked_at = [place for place in looked_at if masks[place].max() >= VISIBLE]
            if not looked_at:
                continue
            fake, real = degrade(pair.fake, degradation), degrade(pair.real, degradation)
            yield Scene(
                track=index,
                family=family,
                fake=[fake[place] for place in looked_at],
                real=[real[place] for place in looked_at],
                seams=np.stack(
                    [
                        degrade_mask(pair.masks[degradation.order[place]], degradation, place, MAP_SIZE)
                        for place in looked_at
                    ]
                ).astype(np.float64),
                masks=np.stack([masks[place] for place in looked_at]),
            )


def _mask_cells(mask: Mask, degradation: Degradation, place: int) -> Maps:
    """(7, 7): how foreign each cell of a degraded crop is, cut by the one crop code."""
    box, scale = degradation.boxes[place], len(mask) / degradation.side
    there = Box(box.x * scale, box.y * scale, box.width * scale, box.height * scale)
    grey = np.repeat((mask * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    cut = crop_face(grey, there, scale=1.0)[..., 0]
    cells = cv2.resize(cut, (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    return np.asarray(cells[:, ::-1] if degradation.flip else cells)


def map_maker(net: DeepfakeNet, device: torch.device) -> MapMaker:
    """The maps of a network in eval mode."""
    net = net.eval().to(device)

    @torch.inference_mode()
    def maps(crops: Sequence[Pixels]) -> Maps:
        parts = []
        for start in range(0, len(crops), BATCH):
            pixels = torch.from_numpy(np.stack(crops[start : start + BATCH])).to(device)
            parts.append(net.frame_path(preprocess(pixels)).attention[:, 0].double().cpu().numpy())
        return np.concatenate(parts)

    return maps


def random_net(seed: int, faces: Sequence[Pixels]) -> DeepfakeNet:
    """Random weights, but BatchNorm statistics of `faces` (two or more): without them its maps would be constant."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DeepfakeNet()
    net.eval()
    for module in net.frame_path.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean over what it is shown
            module.train()
    with torch.no_grad():
        net.frame_path(preprocess(torch.from_numpy(np.stack(faces))))
    return net.eval()


def hits(maps: Maps, targets: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(n,): 1 where the highest cell is in the target, else 0; of equally high cells, the share that is in it.

    A map with a value that is no number points nowhere: 0.
    """
    finite = np.asarray(np.isfinite(maps).all(axis=(1, 2)), bool)
    flat = np.where(finite[:, None], maps.reshape(len(maps), -1), 0.0)
    highest = np.equal(flat, flat.max(axis=1)[:, None])
    inside = highest & targets.reshape(len(targets), -1)
    return np.where(finite, inside.sum(axis=1) / highest.sum(axis=1), 0.0)


def in_target(values: Maps) -> npt.NDArray[np.bool_]:
    """Which cells are meant: those of at least half of the highest."""
    highest = values.max(axis=(1, 2))
    return np.asarray(values >= highest[:, None, None] / 2)


def play(
    stage: Iterable[Scene], network: MapMaker, randoms: Sequence[MapMaker]
) -> dict[tuple[str, str], list[tuple[int, npt.NDArray[np.float64]]]]:
    """Let all play on every scene: (family, target) -> (track, the target's cells and each player's hits) per face."""
    books: dict[tuple[str, str], list[tuple[int, npt.NDArray[np.float64]]]] = {}
    for scene in stage:
        fake, real = network(scene.fake), network(scene.real)
        others = [other(scene.fake) for other in randoms]
        for target, values in (("seam", scene.seams), ("mask", scene.masks)):
            meant = in_target(values)
            random = np.mean([hits(maps, meant) for maps in others], axis=0)
            middle = meant.reshape(len(meant), -1)[:, MAP_SIZE**2 // 2]
            columns = [hits(fake, meant), hits(real, meant), random, middle, meant.mean(axis=(1, 2))]
            rows = np.column_stack([meant.reshape(len(meant), -1), *columns])  # (faces, 49 + 5)
            for name in (ALL, scene.family):
                books.setdefault((name, target), []).extend((scene.track, row) for row in rows)
    return books


def row_of(
    name: str, target: str, book: Sequence[tuple[int, npt.NDArray[np.float64]]], sources: Sequence[str], seed: int
) -> PointingRow:
    """One row of what `play` wrote down; `sources`: the group of each track."""
    tracks = np.array([track for track, _ in book])
    values = np.stack([row for _, row in book])
    cells, (network, own, random, middle, chance) = values[:, : MAP_SIZE**2], values[:, MAP_SIZE**2 :].T
    best = cells[:, int(cells.mean(axis=0).argmax())]
    columns = np.column_stack([network, own, random, middle, best, chance, network - random, network - own])
    shares = _shares(columns, np.array([sources[track] for track in tracks]), seed)
    return PointingRow(name, target, len(book), len(set(tracks.tolist())), *shares)


def _shares(columns: npt.NDArray[np.float64], groups: npt.NDArray[np.str_], seed: int) -> list[Share]:
    """The mean of each column with its 95 % bootstrap interval over whole source groups.

    None with fewer than `MIN_SOURCES`, nor without any width: neither shows how sources differ.
    """
    names, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), columns.shape[1]))
    np.add.at(sums, index, columns)
    counts = np.bincount(index).astype(np.float64)
    means = sums.sum(axis=0) / counts.sum()
    if len(names) < MIN_SOURCES:
        return [Share(float(mean), None) for mean in means]
    drawn = np.random.default_rng(seed).integers(len(names), size=(DRAWS, len(names)))
    spread = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)[:, None]  # (draws, columns)
    ends = np.quantile(spread, [0.025, 0.975], axis=0).T.tolist()
    return [
        Share(float(mean), (low, high) if high - low > 1e-12 else None)
        for mean, (low, high) in zip(means, ends, strict=True)
    ]


def measure_pointing(
    net: DeepfakeNet,
    found: Sequence[Found],
    device: torch.device,
    *,
    seed: int = 0,
    families: Sequence[str] = FAMILIES,
    tell: Callable[[int], None] = lambda _: None,
) -> PointingFigures:
    """Play on pseudo-fakes of the real tracks of `found`; `tell` hears the number of scenes done.

    Raises `ConfigError` when there is no real track, or nothing to point at in any.
    """
    reals = [(row, track) for row, track in found if not row.fake]
    if not reals:
        raise ConfigError("the pointing game needs real faces: there is no usable real file")
    samples = [track.frames([0])[0] for _, track in reals[:BATCH]]
    faces = [np.asarray(cv2.resize(sample, (224, 224), interpolation=cv2.INTER_AREA), np.uint8) for sample in samples]
    randoms = [map_maker(random_net(seed + i, [*faces, *faces]), device) for i in range(RANDOM_NETS)]

    def told() -> Iterator[Scene]:
        for done, scene in enumerate(scenes(reals, seed, families), start=1):
            yield scene
            tell(done)

    books = play(told(), map_maker(net, device), randoms)
    if not books:
        raise ConfigError("the pointing game found no face that any pseudo-fake family would change")
    names = [name for name in (ALL, *families) if (name, TARGETS[0]) in books]
    sources = [row.group for row, _ in reals]
    return PointingFigures(
        rows=tuple(row_of(name, target, books[name, target], sources, seed) for target in TARGETS for name in names),
        n_sources=len(set(sources)),
        seed=seed,
    )


def run_pointing(
    rows: Sequence[Row],
    folder: Path,
    *,
    weights: Path | None = None,
    device: str = "cpu",
    seed: int = 0,
    expected: ScorerInfo | None = None,
) -> PointingFigures:
    """Play on the real videos among `rows` with the weights given, or the shipped ones.

    Faces are cut out once and kept in `folder`, in the form that training keeps them. Files without a usable face are
    told in the note. Raises `ConfigError` without real videos or faces, `WeightsError` without weights or when they are
    not those of `expected`, whose figures these are put with, `MediaError` when kept faces go while they are used.
    """
    path = weights or find_weights(default_weights_dir())
    if path is None:
        raise WeightsError("there are no trained weights, so there is no map to look at")
    state, card = load_weights(path)
    if expected is not None and card.sha256 != expected.weights_sha256:
        raise WeightsError(
            f"{path} holds weights {card.sha256[:12]}, expected {str(expected.weights_sha256)[:12]}: "
            "it was written anew while the rest was measured"
        )
    reals = real_faces(rows, folder, MOST_FILES)
    net = DeepfakeNet()
    net.load_state_dict(state)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pointing game", total=len(reals.found) * len(FAMILIES))
        figures = measure_pointing(
            net,
            reals.found,
            torch.device(device),
            seed=seed,
            families=FAMILIES,
            tell=lambda done: progress.update(task, completed=done),
        )
    return replace(figures, note=reals.note)
