"""Draws sheets of pictures with small print, and the page that holds them."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError, MediaError

GAP: Final = 4
LINE: Final = 13
"""Height in pixels of a line of small print."""

Tile = tuple[Pixels, Sequence[str]]
"""A picture, and the lines of small print below it."""


def fit(picture: Pixels, side: int) -> Pixels:
    """Scaled to a square tile."""
    how = cv2.INTER_AREA if len(picture) > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)


def _print(canvas: Pixels, text: str, x: int, y: int, size: float) -> None:
    plain = text.encode("ascii", "replace").decode()  # all that OpenCV's fonts hold
    cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)


def grid(rows: Sequence[Sequence[Tile]]) -> Pixels:
    """Rows of tiles of one size on white, their lines of small print below them."""
    side = len(rows[0][0][0])
    heights = [side + GAP + LINE * max(len(lines) for _, lines in row) for row in rows]
    canvas = np.full((sum(heights), max(len(row) for row in rows) * (side + GAP), 3), 255, np.uint8)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for column, (picture, lines) in enumerate(row):
            left = column * (side + GAP)
            for number, line in enumerate(lines):
                _print(canvas, line[: side // 6], left, top + side + LINE * (number + 1) - 2, 0.34)
            canvas[top : top + side, left : left + side] = picture
        top += height
    return canvas


def titled(sheet: Pixels, about: str) -> Pixels:
    """With a line of text above it."""
    head = np.full((26, sheet.shape[1], 3), 255, np.uint8)
    _print(head, about, 4, 18, 0.5)
    return np.concatenate([head, sheet])


def encode(sheet: Pixels) -> bytes:
    """As JPEG."""
    done, buffer = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise MediaError("a contact sheet cannot be encoded as JPEG")
    return buffer.tobytes()


def write(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it. `ConfigError` where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: contact sheets cannot be written there: {error.strerror or error}") from error
    return path


def page(entries: Iterable[tuple[Path, str, bytes]]) -> bytes:
    """One page with all sheets inside it, so that it can be sent to somebody as it is."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Pseudo-fakes</title>",
        "<style>body{font:15px sans-serif;margin:2em}img{max-width:100%}h2{margin:2em 0 .3em}</style>",
        "<h1>Pseudo-fakes and degradations</h1><p>What the network is taught. Appearance for what no deepfake shows: ",
        "visible squares, masks beside the face, doubled mouths, differences outside of the mask.</p>",
    ]
    for _, about, jpeg in entries:
        data = base64.b64encode(jpeg).decode()
        title = html.escape(about)
        parts.append(f"<h2>{title}</h2><img alt='{title}' src='data:image/jpeg;base64,{data}'>")
    return "\n".join(parts).encode()
