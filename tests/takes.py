"""Made scenes in which something moves as no other does, to be looked at whenever one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from analyzer.integrity.repeats import Floats, Share, Sight, see

Scene = Callable[[float], Floats]
"""Seconds -> grey levels, (36, 64)."""

HEAD: Share = (0.35, 0.25, 0.3, 0.5)
"""Where the face is, unless something else is said: most of what moves in a take."""

SITTING: Share = (0.2, 0.3, 0.2, 0.4)
"""Where it is of somebody who sits."""

_Y, _X = np.mgrid[0:36, 0:64].astype(np.float32)


def room(seed: int) -> Floats:
    """A place where nothing moves."""
    cells = np.random.default_rng(seed).uniform(60, 180, (9, 16))
    return np.asarray(np.kron(cells, np.ones((4, 4))), np.float32)


def _spot(x: float, y: float) -> Floats:
    return np.asarray(60 * np.exp(-(((_X - x) / 6) ** 2) - ((_Y - y) / 6) ** 2), np.float32)


def take(seed: int, place: int = 0) -> Scene:
    """Somebody in a room: head and hands go their own ways, which never come again."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(0.1, 0.8, (3, 2, 4))  # hertz
    phases = rng.uniform(0, 2 * np.pi, waves.shape)
    background = room(place)

    def scene(at_s: float) -> Floats:
        where = np.sin(2 * np.pi * waves * at_s + phases).mean(axis=2)
        return background + sum(_spot(32 + 24 * x, 18 + 14 * y) for x, y in where)

    return scene


def sitting(seed: int) -> Scene:
    """Somebody at the left who sways a little, in a way that never comes again."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.uniform(0.1, 0.8, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))  # hertz

    def scene(at_s: float) -> Floats:
        x, y = np.sin(2 * np.pi * waves * at_s + phases).mean(axis=1)
        return room(0) + _spot(19 + 6 * x, 18 + 5 * y)

    return scene


def with_fan(scene: Scene, period_s: float) -> Scene:
    """A fan at the right that swings like a clock."""
    return lambda at_s: scene(at_s) - 1.2 * _spot(50 + 6 * np.sin(2 * np.pi * at_s / period_s), 12)


def with_slides(scene: Scene, period_s: float, count: int) -> Scene:
    """A screen at the right that shows so many slides again and again."""
    slides = [room(100 + index)[:16, :20] for index in range(count)]

    def shown(at_s: float) -> Floats:
        picture = scene(at_s)
        picture[2:18, 40:60] = slides[int(at_s % period_s / period_s * count)]
        return picture

    return shown


def nod(period_s: float, seed: int, unsteady: float = 0.05) -> Scene:
    """A head that goes up and down, each time by its own time and height (5 % by default)."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(period_s * (1 + unsteady * rng.normal(size=400)))
    heights = 8 * (1 + unsteady * rng.normal(size=401))

    def scene(at_s: float) -> Floats:
        index = int(np.searchsorted(ends, at_s, side="right"))
        begin = float(ends[index - 1]) if index else 0.0
        phase = 2 * np.pi * (at_s - begin) / (float(ends[index]) - begin)
        return room(0) + _spot(32, 18 + heights[index] * np.sin(phase))

    return scene


def looped(scene: Scene, period_s: float) -> Scene:
    return lambda at_s: scene(at_s % period_s)


def looks(
    scene: Scene,
    seconds: float,
    rate: float,
    *,
    faces: tuple[Share, ...] = (HEAD,),
    seed: int = 0,
    start_s: float = 0.0,
    noise: float = 1.0,
) -> Iterator[tuple[Sight, float]]:
    """What is seen, and when: `rate` a second, unevenly, each with its own noise as of a codec."""
    rng = np.random.default_rng(seed)
    at_s = 0.0
    while at_s < seconds:
        thumbnail = scene(at_s) + rng.normal(0, noise, (36, 64))
        yield see(np.asarray(np.clip(thumbnail, 0, 255), np.float32), faces), start_s + at_s
        at_s += rng.uniform(0.6, 1.4) / rate


def as_picture(thumbnail: Floats) -> npt.NDArray[np.uint8]:
    """(360, 640, 3), of which the watches make that thumbnail again."""
    grey = np.kron(np.clip(thumbnail, 0, 255).astype(np.uint8), np.ones((10, 10), np.uint8))
    return np.repeat(grey[:, :, None], 3, axis=2)
