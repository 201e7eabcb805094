"""The grid of re-deliveries: what each cell is called and how it is made. A new cell is a new line in `CELLS`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from analyzer.errors import ConfigError
from analyzer.evaluation.results.kept import code_digest
from analyzer.evaluation.sections.pixels import Darkness, smooth_skin
from analyzer.evaluation.sections.redelivery import Encoding, Known, Recipe

Make = Callable[[Known], Recipe]


@dataclass(frozen=True, slots=True)
class Cell:
    """One way in which a video can reach a viewer."""

    key: str
    """For `--cells` and JSON: `crf32`."""
    axis: str
    """What is varied, one curve of the plot."""
    level: str
    """How much of it, as printed."""
    place: float
    """Where it stands on its axis, rising with the harm done; 0 is the untouched file."""
    make: Make


def _h264(options: Mapping[str, str], short_side: int | None = None, lost: float = 0.0) -> Make:
    """As live services encode: x264 without look-ahead; scaled down so that the shorter side fits."""
    encoding = Encoding("libx264", MappingProxyType({"preset": "veryfast", "tune": "zerolatency", **options}), lost)
    return lambda known: Recipe(encoding, scale=_fit(known, short_side))


def _h264_rate(kbit_s: int, short_side: int) -> Make:
    """Rate-controlled, with a buffer of one second."""
    rate = f"{kbit_s}k"
    return _h264({"b": rate, "maxrate": rate, "bufsize": rate}, short_side)


def _vp8(kbit_s: int, short_side: int) -> Make:
    """As a browser sends over WebRTC."""
    rate = f"{kbit_s}k"
    # below 0 the speed is fixed; above, the encoder chooses by its clock, and a busy machine gets another picture
    options = {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "b": rate, "maxrate": rate}
    encoding = Encoding("libvpx", MappingProxyType({**options, "bufsize": rate}))
    return lambda known: Recipe(encoding, scale=_fit(known, short_side))


def _fit(known: Known, short_side: int | None) -> float:
    return 1.0 if short_side is None else min(1.0, short_side / min(known.width, known.height))


def _face(side_px: int) -> Make:
    """Scaled so that the median face box is this wide; never enlarged."""

    def make(known: Known) -> Recipe:
        if known.face_px is None or known.face_px <= side_px:
            return Recipe(untouched=True)
        return Recipe(scale=side_px / known.face_px)

    return make


def _fps(most: float) -> Make:
    return lambda known: Recipe(untouched=True) if known.fps <= most else Recipe(max_fps=most)


def _lossy(share: float) -> Make:
    """H.264 at CRF 23 in network packets of 1 200 bytes, each lost or not by itself; key frames arrive."""
    # Slices of a packet's size, so that each packet can be decoded alone; a delimiter tells where a picture begins
    # when its first slice is lost.
    return _h264({"crf": "23", "x264-params": "slice-max-size=1200:aud=1"}, lost=share)


def _dark(stops: float, noise: float) -> Make:
    return lambda known: Recipe(change=Darkness(stops, noise, known.seed))


def _beauty(strength: float, reach: float) -> Make:
    """`reach`: radius over the width of the face."""
    return lambda known: Recipe(change=smooth_skin(strength, max(1, round(reach * (known.face_px or 100)))))


def _jitter(share: float) -> Make:
    return lambda _: Recipe(shake=share)


SOURCE: Final = Cell("src", "source", "src", 0, lambda _: Recipe())
"""The same seconds, lossless: what every other cell is compared with."""

CELLS: Final = (
    SOURCE,
    *(Cell(f"crf{crf}", "h264-crf", str(crf), crf, _h264({"crf": str(crf)})) for crf in (23, 28, 32, 36, 40)),
    Cell("600k-480p", "bitrate", "600k/480p", 1, _h264_rate(600, 480)),
    Cell("300k-360p", "bitrate", "300k/360p", 2, _h264_rate(300, 360)),
    Cell("150k-360p", "bitrate", "150k/360p", 3, _h264_rate(150, 360)),
    *(Cell(f"face{side}", "face", f"{side} px", i, _face(side)) for i, side in enumerate((128, 96, 64, 48), 1)),
    *(Cell(f"fps{fps}", "frame rate", f"{fps} fps", i, _fps(fps)) for i, fps in enumerate((12, 6), 1)),
    *(Cell(f"loss{share}", "loss", f"{share} %", share, _lossy(share / 100)) for share in (2, 5, 10)),
    Cell("dark1", "dark", "1", 1, _dark(stops=2, noise=2)),
    Cell("dark2", "dark", "2", 2, _dark(stops=3, noise=4)),
    Cell("beauty1", "beauty", "1", 1, _beauty(strength=8, reach=0.03)),
    Cell("beauty2", "beauty", "2", 2, _beauty(strength=12, reach=0.04)),
    *(Cell(f"jitter{share}", "jitter", f"{share} %", share, _jitter(share / 100)) for share in (2, 4, 8)),
    Cell("vp8-300k", "VP8", "300k", 1, _vp8(300, 360)),
)

SIX: Final = ("crf32", "600k-480p", "300k-360p", "face96", "fps12", "vp8-300k")
"""The re-deliveries over which a verdict should stay: the commonest fate of a clip on its way through messengers,
streaming services, small windows and video calls."""


@functools.cache
def recipes_digest() -> str:
    """Of the code that makes deliveries: what a cell did before it changed is not mixed in."""
    folder = Path(__file__).resolve().parent
    return code_digest(folder / name for name in ("cells.py", "redelivery.py", "pixels.py"))


def cell_named(key: str) -> Cell:
    """The cell of that key. Raises `ConfigError` when there is none."""
    for cell in CELLS:
        if cell.key == key:
            return cell
    raise ConfigError(
        f"there is no cell {key!r} in the robustness grid: expected some of {', '.join(cell.key for cell in CELLS)}"
    )


def chosen_cells(names: str | None) -> tuple[Cell, ...]:
    """The cells of a comma-separated list (`crf32,face96`), in the grid's order, the source always; None is all.

    Raises `ConfigError` for a name that is none.
    """
    if names is None:
        return CELLS
    wanted = {cell_named(name.strip()) for name in names.split(",") if name.strip()}
    return tuple(cell for cell in CELLS if cell is SOURCE or cell in wanted)
