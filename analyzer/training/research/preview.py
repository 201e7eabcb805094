"""Contact sheets: what the network is about to be taught, for a person to look at before any training.

One sheet per pseudo-fake family, one strip of a window per family that may change from frame to frame, one sheet of
degradations, and an `index.html` that holds them all. Only the tracks that are shown are decoded, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.geometry import Mask, is_grey
from analyzer.training.augment.degradation import BOX_SHARE, Degradation, degrade, draw_degradation
from analyzer.training.data.dataset import LOOSE, Found, Track
from analyzer.training.pseudofakes.appearance import Paint
from analyzer.training.pseudofakes.synthesis import FAMILIES, IN_PLACE, OF_PICTURES, PAINTED, Pair, make_pair
from analyzer.training.reporting.progress import tracked
from analyzer.training.research.contact_sheet import Tile, encode, fit, grid, page, titled, write
from analyzer.training.sampling.material import Material, is_clip

AMPLIFIED: Final = 4
"""Differences are shown so many times larger: what a network finds may be too dark to see."""
TILE: Final = 256
"""Side in pixels of a picture on a family's sheet; six fit beside each other."""
STRIP_TILE: Final = 192
STRIP_STEP: Final = 2
"""A strip shows every second of the 16 frames of a window."""
STRIP_CLIPS: Final = 3
DELIVERIES: Final = 30
MAX_ROWS: Final = 60
"""Far more than people look at, and far below the height that a JPEG can have."""


def write_sheets(
    found: Sequence[Found],
    folder: Path,
    *,
    seed: int = 0,
    quiet: bool = False,
    rows: int = 6,
    painters: Sequence[Paint] = (),
) -> list[Path]:
    """Write the sheets as JPEG, at most 1 600 px wide, and `index.html`; returns their paths, the page last.

    `found`: rows with their tracks; fakes among them are passed over. The same `seed` shows the same. `rows`: faces per
    family, 1 to 60. With `painters` there is a sheet of `PAINTED`, too. Raises `ConfigError` when no face is real, or
    the folder cannot be written to.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ConfigError(f"expected 1 to {MAX_ROWS} rows on a contact sheet, got {rows}")
    reals = _by_turns([one for one in found if not one[0].fake and one[1].jpegs], seed)
    if not reals:
        raise ConfigError("contact sheets need real faces: no usable real file among the rows")
    clips = [one for one in reals if is_clip(one[1])]
    sources = _Sources(Material(reals), painters)
    wanted: list[tuple[str, str, Callable[[], Pixels]]] = []
    for family in (*FAMILIES, PAINTED) if painters else FAMILIES:
        pool = _half_stills(reals, rows) if family in OF_PICTURES else clips[:rows]
        if pool:
            about = f"{family}: real | fake | difference x {AMPLIFIED} | mask, its edge red | both badly degraded"
            wanted.append((family, about, partial(_family_sheet, family, pool, sources, seed)))
        if clips and family != "F1":  # which alone stays the same over a window
            about = f"{family}: frames 0, 2 .. 14 of a window, real above fake above the difference x {AMPLIFIED}"
            wanted.append(
                (f"{family}-window", about, partial(_strip_sheet, family, clips[:STRIP_CLIPS], sources, seed))
            )
    about = f"degradation: one face as {DELIVERIES} draws degrade it"
    wanted.append(("degradation", about, partial(_delivery_sheet, (clips or reals)[0], seed)))
    entries = []
    for name, about, draw in tracked(wanted, len(wanted), "drawing contact sheets", quiet=quiet):
        jpeg = encode(titled(draw(), about))
        entries.append((write(Path(folder) / f"{name}.jpg", jpeg), about, jpeg))
    index = write(Path(folder) / "index.html", page(entries))
    return [*(path for path, _, _ in entries), index]


def _by_turns(found: Sequence[Found], seed: int) -> list[Found]:
    """All of them shuffled, one of each method by turns: the first few come from as many places as they can."""
    rng = np.random.default_rng((seed, 1))
    turns: dict[str, int] = {}
    placed: list[tuple[int, int, int]] = []
    for index in rng.permutation(len(found)):
        method = found[index][0].method
        turns[method] = turns.get(method, -1) + 1
        placed.append((turns[method], len(placed), int(index)))
    return [found[index] for _, _, index in sorted(placed)]


def _half_stills(reals: Sequence[Found], rows: int) -> list[Found]:
    """Clips, and pictures in at most every third row, as far as there are any."""
    stills = [one for one in reals if not is_clip(one[1])]
    clips = [one for one in reals if is_clip(one[1])]
    few = max(min(rows // 3, len(stills)), rows - len(clips))
    return [*clips[: rows - few], *stills[:few]]


def _family_sheet(family: str, pool: Sequence[Found], sources: _Sources, seed: int) -> Pixels:
    rows = []
    for index, (row, track) in enumerate(pool):
        chosen = _window(track) if family not in OF_PICTURES else _window(track)[:4]
        pair, whose = _pair(track, chosen, family, sources, seed * 1000 + index)
        # the frame that shows most: F7 and the flashes of F4 leave some frames alone
        best = int(np.argmax([float(mask.sum()) for mask in pair.masks]))
        codec = ("h264", "vp8")[index % 2]
        hard = _hard_delivery(np.random.default_rng((seed, 2, index)), len(pair.real[0]), len(chosen), codec)
        place = hard.order.index(best) if best in hard.order else best  # a frozen picture may have hidden it
        rows.append(
            [
                (fit(_middle(pair.real[best]), TILE), [f"{row.method} {len(pair.real[0])}px", Path(row.file).name]),
                (fit(_middle(pair.fake[best]), TILE), [f"{whose}, frame {best} of {len(chosen)}"]),
                (fit(_middle(_difference(pair.real[best], pair.fake[best])), TILE), [f"difference x {AMPLIFIED}"]),
                (fit(_tinted(pair.real[best], pair.masks[best]), TILE), [f"mask up to {pair.masks[best].max():.2f}"]),
                (fit(degrade(pair.real, hard)[place], TILE), ["real, degraded", *_small_print(hard, wrap=TILE // 6)]),
                (fit(degrade(pair.fake, hard)[place], TILE), ["fake, degraded"]),
            ]
        )
    return grid(rows)


@dataclass(frozen=True, slots=True)
class _Sources:
    """What pairs are made with, beside the face itself."""

    material: Material
    painters: Sequence[Paint]


def _pair(track: Track, chosen: Sequence[int], family: str, sources: _Sources, seed: int) -> tuple[Pair, str]:
    """A pair for the seed, and how it was made.

    Every third time with somebody else's face, every second time with a painter, where the family allows it.
    """
    frames, marks, donor, painter = track.frames(chosen), track.marks(chosen), None, None
    if seed % 3 == 2 and family not in (*IN_PLACE, PAINTED):
        donor = sources.material.pick_donor(np.random.default_rng(seed), marks)
        if donor is not None and is_grey(donor.frames[0]) != is_grey(frames[0]):
            donor = None  # as `make_pair` would have it, so that the caption is true
    words = [f"seed {seed}", f"{'own' if donor is None else 'another'} face"]
    if sources.painters and (family == PAINTED or (family in ("F5", "F6") and seed % 2)):
        which = (seed if family == PAINTED else seed // 2) % len(sources.painters)
        painter = sources.painters[which]
        words.append(f"painter {which}")
    return make_pair(frames, marks, seed, family, donor=donor, painter=painter), ", ".join(words)


def _strip_sheet(family: str, clips: Sequence[Found], sources: _Sources, seed: int) -> Pixels:
    rows: list[list[Tile]] = []
    for index, (row, track) in enumerate(clips):
        chosen = _window(track)
        pair, whose = _pair(track, chosen, family, sources, seed * 1000 + 100 + index)
        shown = range(0, NUM_FRAMES, STRIP_STEP)
        names = [whose, Path(row.file).name] + [""] * len(shown)
        apart = [_difference(pair.real[i], pair.fake[i]) for i in shown]
        rows.append([(fit(_middle(pair.real[i]), STRIP_TILE), ()) for i in shown])
        rows.append([(fit(_middle(pair.fake[i]), STRIP_TILE), ()) for i in shown])
        rows.append(
            [
                (fit(_middle(picture), STRIP_TILE), [f"frame {i}: mask up to {pair.masks[i].max():.2f}", name])
                for i, picture, name in zip(shown, apart, names, strict=False)
            ]
        )
    return grid(rows)


def _delivery_sheet(one: Found, seed: int) -> Pixels:
    _, track = one
    frames = track.frames(_window(track)[:8])
    tiles: list[Tile] = []
    for index in range(DELIVERIES):
        drawn = draw_degradation(np.random.default_rng((seed, 3, index)), track.side, len(frames))
        # the last one: the first picture of a video is coded by itself, and better
        tiles.append((fit(degrade(frames, drawn)[-1], TILE), _small_print(drawn, wrap=TILE // 6)))
    return grid([tiles[i : i + 6] for i in range(0, len(tiles), 6)])


def _window(track: Track) -> list[int]:
    """16 faces in a row, or all there are: a picture is a track of one."""
    return list(range(min(NUM_FRAMES, len(track.jpegs))))


def _hard_delivery(rng: np.random.Generator, side: int, count: int, codec: str) -> Degradation:
    """Of the hardest fifth of the draws with this codec, the one nearest to 96 px: a live swap as a viewer gets it."""
    drawn = [draw_degradation(rng, side, count) for _ in range(60)]
    coded = [one for one in drawn if one.codec == codec] or drawn
    hardest = sorted(coded, key=lambda one: -one.strength)[: max(1, len(coded) // 5)]
    return min(hardest, key=lambda one: abs(_face_px(one) - 96))


def _face_px(drawn: Degradation) -> int:
    """Longer side of the degraded face box."""
    return round(drawn.side * BOX_SHARE)


def _small_print(drawn: Degradation, *, wrap: int) -> list[str]:
    """Every number that was drawn and is not its rest position, in lines of at most `wrap` letters."""
    words = [f"face {_face_px(drawn)}px"]
    for field in fields(drawn):
        value = getattr(drawn, field.name)
        if field.name in {"seed", "flip"} or value is None or isinstance(value, list | np.ndarray) or not value:
            continue
        words.append(_words(field.name, value))
    frozen = sum(a == b for a, b in zip(drawn.order, drawn.order[1:], strict=False))
    if frozen:
        words.append(f"frozen {frozen}")
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 2 > wrap:
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + word
    return lines


def _words(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{name} {value:.2g}"
    if isinstance(value, tuple):
        return f"{name} {' '.join(map(str, value))}"
    return f"{name} {value}" if isinstance(value, int | str) else name  # a thing is named, not spelled out


def _middle(picture: Pixels) -> Pixels:
    """The part of a loose crop that the network sees."""
    length = round(len(picture) / LOOSE)
    start = (len(picture) - length) // 2
    return picture[start : start + length, start : start + length]


def _difference(real: Pixels, fake: Pixels) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(cv2.absdiff(real, fake), alpha=AMPLIFIED), np.uint8)


def _tinted(picture: Pixels, mask: Mask) -> Pixels:
    """The loose crop: foreign pixels green, their edge (4 M (1 - M) above .9) red, the network's crop framed."""
    edge = mask / max(float(mask.max()), 1e-3)
    seam = (4 * edge * (1 - edge) > 0.9)[..., None]
    tint = picture * (1 - 0.6 * mask[..., None]) + np.array([0, 200, 0]) * 0.6 * mask[..., None]
    out = np.ascontiguousarray(np.where(seam, np.array([255, 0, 0]), tint), np.uint8)
    start = round(len(out) * (1 - 1 / LOOSE) / 2)
    cv2.rectangle(out, (start, start), (len(out) - start, len(out) - start), (255, 255, 255), 1)
    return out
