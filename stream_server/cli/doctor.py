"""`deepfake-monitor doctor`: what was found on this machine, what is wrong, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Final

from analyzer.errors import DeepfakeMonitorError
from stream_server.cli.server import listen
from stream_server.settings.schema import Settings
from stream_server.web.routes.pages import static_folder

_PACKAGES: Final = (
    "torch",
    "torchvision",
    "openvino",
    "av",
    "aiortc",
    "opencv-python-headless",
    "numpy",
    "fastapi",
    "uvicorn",
)

# What streams and uploads come in; without a decoder, those are refused with error kind `codec`.
_DECODERS: Final = ("h264", "hevc", "vp8", "vp9", "mjpeg")

_ENOUGH_BYTES: Final = 2_000_000_000  # two uploads of the default limit, twice


class Found(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    found: Found
    what: str
    """What is there."""
    advice: str | None = None
    """What to do, unless all is well."""


def examine(settings: Settings) -> Iterator[Check]:
    """Look at one thing after another; a check that cannot be made is a problem, never an exception."""
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("Python", _python),
        ("packages", _packages),
        ("OpenCV", _opencv),
        ("device", lambda: _device(settings)),
        ("weights", lambda: _weights(settings)),
        ("face detector", lambda: _detector(settings)),
        ("codecs", _codecs),
        ("hardware decoding", lambda: _hardware_decoding(settings)),
        ("dashboard", _dashboard),
        ("port", lambda: _port(settings)),
        ("uploads", lambda: _upload_folder(settings)),
        ("file folders", lambda: _folders(settings)),
        ("storage", lambda: _storage(settings)),
        ("notifications", lambda: _notifications(settings)),
    ]
    for name, check in checks:
        try:
            yield check()
        except DeepfakeMonitorError as error:
            yield Check(name, Found.PROBLEM, str(error))
        except (ImportError, OSError, RuntimeError) as error:
            yield Check(name, Found.PROBLEM, f"{type(error).__name__}: {error}", "run `make setup` again")


def _python() -> Check:
    return Check("Python", Found.OK, f"{platform.python_version()} on {platform.platform()}")


def _packages() -> Check:
    try:
        found = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    except PackageNotFoundError as error:
        return Check("packages", Found.PROBLEM, f"{error.name} is not installed", "run `make setup`")
    return Check("packages", Found.OK, found)


def _opencv() -> Check:
    names = sorted({name for d in distributions() if (name := (d.name or "").lower()).startswith("opencv-")})
    if names != ["opencv-python-headless"]:
        advice = "keep one: pip uninstall all of them, then pip install opencv-python-headless"
        return Check("OpenCV", Found.PROBLEM, f"{', '.join(names)} overwrite each other's files", advice)
    return Check("OpenCV", Found.OK, f"{names[0]} {version(names[0])}, alone")


def _device(settings: Settings) -> Check:
    from analyzer.model.net_scorer import make_scorer  # noqa: PLC0415  # torch takes a second to import

    analyzer = settings.analyzer.config()
    scorer = make_scorer(settings.weights, settings.device, analyzer, backend=settings.backend)
    info = scorer.info
    scorer.close()
    if info.note:
        return Check(
            "device",
            Found.WARNING,
            f"{info.device} ({info.backend}): {info.note}",
            "set `device: cpu`, or `backend: torch`, to accept",
        )
    return Check("device", Found.OK, f"{info.device} ({info.backend})")


def _weights(settings: Settings) -> Check:
    from analyzer.model.weights import default_weights_dir, find_weights, load_weights  # noqa: PLC0415  # as above

    path = settings.weights or find_weights(default_weights_dir())
    if path is None:
        advice = "nothing is scored without; get the weights that belong to this version, or `deepfake-monitor train`"
        return Check("weights", Found.PROBLEM, f"no trained weights in {default_weights_dir()}", advice)
    _, card = load_weights(path)
    figures = ", ".join(f"{name} {figure.value:.3g}" for name, figure in card.measured.items())
    what = f"{card.name} {card.version}, sha256 {card.sha256[:12]}, checksum right"
    return Check("weights", Found.OK, f"{what}; measured: {figures or 'nothing'}")


def _detector(settings: Settings) -> Check:
    from analyzer.faces.detector import YuNetDetector  # noqa: PLC0415  # OpenCV may be what is broken

    detector = YuNetDetector(settings.analyzer.config(), settings.detector_engine)
    return Check("face detector", Found.OK, f"YuNet by {detector.engine}, checksum right")


def _codecs() -> Check:
    import av  # noqa: PLC0415  # as above
    from av.codec.codec import UnknownCodecError  # noqa: PLC0415

    missing = []
    for name in _DECODERS:
        try:
            av.Codec(name, "r")
        except UnknownCodecError:
            missing.append(name)
    if missing:
        advice = "such cameras and videos are refused; install PyAV from its wheel"
        return Check("codecs", Found.WARNING, f"no decoder for {', '.join(missing)}", advice)
    return Check("codecs", Found.OK, f"{', '.join(_DECODERS)} can be decoded")


def _hardware_decoding(settings: Settings) -> Check:
    from stream_server.streams.sources.hardware import AUTO, OFF, offered, refusal  # noqa: PLC0415  # as above

    name, wanted = "hardware decoding", settings.sources.hardware_decoding
    kinds = offered() if wanted in (AUTO, OFF) else (wanted,)
    refused = {kind: why for kind in kinds if (why := refusal(kind)) is not None}
    works = [kind for kind in kinds if kind not in refused]
    if wanted == OFF:
        what = f"off; {', '.join(works)} could decode: see sources.hardware_decoding" if works else "off; none here"
        return Check(name, Found.OK, what)
    if works:
        return Check(name, Found.OK, f"{works[0]} decodes")
    what = "; ".join(f"{kind}: {why}" for kind, why in refused.items()) or "this FFmpeg knows no device"
    return Check(name, Found.WARNING, what, "the processor decodes; set `sources.hardware_decoding: off` to accept")


def _dashboard() -> Check:
    return Check("dashboard", Found.OK, str(static_folder()))


def _port(settings: Settings) -> Check:
    where = f"{settings.server.host}:{settings.server.port}"
    try:
        listen(settings).close()
    except DeepfakeMonitorError as error:
        return Check("port", Found.WARNING, str(error), "stop what uses it, or choose another `server.port`")
    return Check("port", Found.OK, f"{where} is free")


def _upload_folder(settings: Settings) -> Check:
    folder = settings.server.upload_folder or Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder):
        pass
    free = shutil.disk_usage(folder).free
    what = f"{folder} can be written, {free / 1e9:.1f} GB free"
    if free < _ENOUGH_BYTES:
        return Check(
            "uploads", Found.WARNING, what, "large uploads will fail; free some space or set server.upload_folder"
        )
    return Check("uploads", Found.OK, what)


def _folders(settings: Settings) -> Check:
    unreadable = [str(folder) for folder in settings.sources.folders if not _readable(folder)]
    if unreadable:
        return Check("file folders", Found.WARNING, f"cannot be read: {', '.join(unreadable)}", "see `sources.folders`")
    return Check("file folders", Found.OK, ", ".join(map(str, settings.sources.folders)) or "none configured")


def _storage(settings: Settings) -> Check:
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415  # as above

    from stream_server.events.evidence_zip.keys import KEY_FILE, load_or_make_key  # noqa: PLC0415
    from stream_server.store.database import look  # noqa: PLC0415

    storage = settings.storage
    if not storage.enabled:
        return Check("storage", Found.OK, "nothing is kept: storage.enabled is off")
    folder = storage.folder()
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Check("storage", Found.PROBLEM, f"{there} cannot be written", "choose another folder with --data-dir")
    url = storage.database_url
    try:
        what = look(folder, None if url is None else url.get_secret_value())
    except DBAPIError as error:
        advice = "scoring goes on without, and it is tried again; nothing is stored meanwhile"
        return Check("storage", Found.WARNING, f"the database cannot be used now: {error.orig}", advice)
    if (folder / KEY_FILE).exists():
        what += f"; evidence is signed with the key {load_or_make_key(folder).public.fingerprint}"
    free = shutil.disk_usage(there).free
    what += f"; {free / 1e9:.1f} GB free"
    if free < _ENOUGH_BYTES:
        return Check("storage", Found.WARNING, what, "free some space, or lower storage.event_mb and the others")
    return Check("storage", Found.OK, what)


def _notifications(settings: Settings) -> Check:
    from stream_server.notify.targets import rule_targets  # noqa: PLC0415  # its services take a while to import

    rules = rule_targets(settings.notifications, settings.server.public_url)
    if rules and not settings.storage.enabled:
        advice = "set `storage.enabled`: notifications tell of events, and without there are none"
        return Check("notifications", Found.PROBLEM, "there are rules, but nothing is kept", advice)
    names = ", ".join(f"{rule.name} ({len(targets)})" for rule, targets in rules)
    return Check(
        "notifications", Found.OK, f"rules with their targets: {names}; nothing was sent" if names else "no rule"
    )


def _readable(folder: Path) -> bool:
    try:
        next(folder.iterdir(), None)
    except OSError:
        return False
    return True
