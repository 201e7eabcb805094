"""What a weights file is, where it comes from and what it is worth. Light to import: no torch here."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from analyzer.config import DEFAULT_AGGREGATE, FACE_SIZE, IMAGENET_MEAN, IMAGENET_STD, NUM_FRAMES
from analyzer.datatypes import ScoreCurve
from analyzer.errors import WeightsError

MAX_CARD_BYTES = 1 << 20
"""A card is a page of text; a larger file is something else."""
MAX_QUANTILES = 1001
"""Of a score curve."""
MAX_DIGITS = 18
"""Of one part of a version that are compared: a build date and time has 14, and Python refuses to read thousands."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the network was trained to see."""

    size: int = FACE_SIZE
    """Height and width of a crop in pixels."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    frames: int = NUM_FRAMES
    """Faces in one window."""
    scale: float = 1.3
    """Side of the crop over the longer side of the smoothed face box."""


@dataclass(frozen=True, slots=True)
class CalibrationValues:
    """Logit = a * window logit + b * mean frame logit + c."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure as measured, however modest."""

    value: float
    n: int | None = None
    """How many videos (or windows, see `note`) it rests on."""
    interval: tuple[float, float] | None = None
    """95 % bootstrap interval."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class WeightsCard:
    """Origin, data, licence, checksum, operating point and measured figures of one weights file."""

    name: str
    version: str
    """Numbers with dots; of several files the highest version is used."""
    created: str
    """ISO 8601 date or time, UTC."""
    description: str
    trained_on: tuple[str, ...]
    """Each data set with its origin and licence."""
    licence: str
    architecture: str = ""
    """`analyzer.model.network.ARCHITECTURE` of the code that trained it; filled in when saved."""
    sha256: str = ""
    """Of the weights file, 64 hexadecimal digits; filled in when saved."""
    input: InputSpec = field(default_factory=InputSpec)
    calibration: CalibrationValues = field(default_factory=CalibrationValues)
    """As stored in the file; filled in when saved."""
    threshold: float = 0.5
    """Operating point on `fake_probability`."""
    aggregate: str = DEFAULT_AGGREGATE
    """Which rule (`analyzer.config.Aggregate`) makes one number of a whole video: what ranked better when evaluated."""
    measured: Mapping[str, Measured] = field(default_factory=dict)
    real_scores: ScoreCurve | None = None
    """How windows of real faces score on the calibration material."""
    coverage: str = ""
    """What share of fakes was found, by family, in one sentence for operators."""
    limits: tuple[str, ...] = ()
    """What the network cannot do, one sentence each."""
    seeds: tuple[int, ...] = ()
    command: str = ""
    """What reproduces the file."""

    def to_json(self) -> str:
        """The card as it is stored."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, origin: str = "the weights card") -> WeightsCard:
        """Read a card. Raises `WeightsError` that names the field; unknown fields are ignored, for later versions."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"{origin} is no JSON: {error}") from error
        reader = _Reader(value, origin)
        measured = _Reader(reader.get("measured", {}), f"{origin}: measured")
        defaults = cls("", "", "", "", (), "")
        spec = _Reader(reader.get("input", {}), f"{origin}: input")
        calibration = _Reader(reader.get("calibration", {}), f"{origin}: calibration")
        return cls(
            name=reader.text("name"),
            version=reader.text("version"),
            created=reader.text("created"),
            description=reader.text("description"),
            trained_on=reader.texts("trained_on"),
            licence=reader.text("licence"),
            architecture=reader.text("architecture"),
            sha256=reader.text("sha256"),
            input=InputSpec(
                size=int(spec.number("size")),
                mean=spec.numbers("mean"),
                std=spec.numbers("std"),
                frames=int(spec.number("frames")),
                scale=spec.number("scale"),
            ),
            calibration=CalibrationValues(*(calibration.number(name) for name in ("a", "b", "c"))),
            threshold=reader.number("threshold"),
            aggregate=reader.text("aggregate", defaults.aggregate),
            measured={name: _measured(measured.get(name), f"{origin}: measured.{name}") for name in measured.value},
            real_scores=_curve(reader.value.get("real_scores"), f"{origin}: real_scores"),
            coverage=reader.text("coverage", ""),
            limits=reader.texts("limits", ()),
            seeds=tuple(int(seed) for seed in reader.numbers("seeds", ())),
            command=reader.text("command", ""),
        )


class _Reader:
    """Reads the fields of one JSON object and names the one that is missing or of another type."""

    def __init__(self, value: object, origin: str) -> None:
        if not isinstance(value, dict):
            raise WeightsError(f"{origin}: expected an object, got {type(value).__name__}")
        self.value: dict[str, object] = value
        self._origin = origin

    def get(self, name: str, default: object = None) -> object:
        if name not in self.value and default is None:
            raise WeightsError(f"{self._origin} lacks {name!r}")
        return self.value.get(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a text", value)
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        value = self.get(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "a list of texts", value)
        return tuple(value)

    def number(self, name: str) -> float:
        value = self.get(name)
        if not _is_number(value):
            raise self._wrong(name, "a finite number", value)
        return float(value)  # type: ignore[arg-type]  # _is_number checked it

    def numbers(self, name: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        value = self.get(name, default)
        if not isinstance(value, list | tuple) or not all(_is_number(item) for item in value):
            raise self._wrong(name, "a list of finite numbers", value)
        return tuple(float(item) for item in value)

    def _wrong(self, name: str, expected: str, got: object) -> WeightsError:
        return WeightsError(f"{self._origin}: expected {expected} for {name!r}, got {str(got)[:80]!r}")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # neither NaN nor infinity, nor an integer that no float holds


def _measured(value: object, origin: str) -> Measured:
    reader = _Reader(value, origin)
    interval = reader.numbers("interval") if reader.value.get("interval") is not None else None
    if interval is not None and len(interval) != 2:
        raise WeightsError(f"{origin}: expected two numbers for 'interval', got {len(interval)}")
    return Measured(
        value=reader.number("value"),
        n=int(reader.number("n")) if reader.value.get("n") is not None else None,
        interval=(interval[0], interval[1]) if interval is not None else None,
        note=reader.text("note") if reader.value.get("note") is not None else None,
    )


def _curve(value: object, origin: str) -> ScoreCurve | None:
    if value is None:
        return None
    reader = _Reader(value, origin)
    logits = reader.numbers("logits")
    if not 2 <= len(logits) <= MAX_QUANTILES or any(high < low for low, high in pairwise(logits)):
        raise WeightsError(f"{origin}: expected 2 to {MAX_QUANTILES} numbers for 'logits' that never fall")
    return ScoreCurve(logits, int(reader.number("windows")), int(reader.number("groups")))


def card_path(weights: Path) -> Path:
    """Where the card of `weights/NAME.safetensors` (or `.pth`) stands: `weights/NAME.json`."""
    return weights.with_suffix(".json")


def read_card(weights: Path) -> WeightsCard:
    """The card of a weights file. Raises `WeightsError` when it is missing or malformed."""
    path = card_path(weights)
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise WeightsError(f"{path} is larger than {MAX_CARD_BYTES} bytes: that is no weights card")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if not weights.exists():
            raise WeightsError(f"{weights}: there is no such weights file") from error
        raise WeightsError(f"{weights} has no card: expected {path}; ship the two files together") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"cannot read the weights card {path}: {error}") from error
    return WeightsCard.from_json(text, str(path))


def default_weights_dir() -> Path:
    """Where the shipped weights are: beside the modules once installed, at the top level in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "weights"
    return installed if installed.is_dir() else package.parent / "weights"


def find_weights(folder: Path) -> Path | None:
    """The weights file with the highest version in a folder (ties: last by name), None when there is none.

    Raises `WeightsError` when a file has no readable card: a broken file must not pass for "no weights".
    """
    files = sorted(folder.glob("*.safetensors"))
    return max(files, key=lambda path: (_version(read_card(path).version), path.name), default=None)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part[:MAX_DIGITS]) if part.isdecimal() else 0 for part in text.split("."))
