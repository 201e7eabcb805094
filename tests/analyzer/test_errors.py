from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer import errors
from analyzer.errors import DeepfakeMonitorError
from analyzer.video import video


def _tree(error: type[DeepfakeMonitorError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, error.__name__
    for child in error.__subclasses__():
        if child.__module__.startswith("analyzer."):
            yield from _tree(child, depth + 1)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = re.findall(r"^    ((?:\|   )*)(?:\+-- )?(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    depths = [(0 if name == "DeepfakeMonitorError" else 1 + len(bars) // 4, name) for bars, name in drawn]
    assert sorted(depths) == sorted(_tree(DeepfakeMonitorError))


def test_every_error_has_a_code_of_its_own() -> None:
    names = [name for _, name in _tree(DeepfakeMonitorError)]
    codes = {getattr(errors, name).code for name in names}
    assert len(codes) == len(names)


def test_a_stopped_video_can_be_caught_where_it_is_raised() -> None:
    assert video.VideoStoppedError is errors.VideoStoppedError
