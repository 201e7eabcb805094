"""Every error that deepfake-monitor raises on purpose.

    DeepfakeMonitorError
    +-- ConfigError            a setting, file or address that the operator gave is wrong
    +-- DetectorError          the face detector's file is missing, changed or unusable
    +-- WeightsError           a weights file or its card is missing, corrupted or of another network
    +-- ScorerError            the device failed while scoring
    +-- MediaError             the video cannot be opened, read or decoded
    |   +-- NotAVideoError     no container or no video stream that we can read
    |   +-- NoFacesError       read to the end, but no face fit to be judged
    |   +-- TooLargeError      more bytes, pixels or seconds than allowed
    |   +-- VideoStoppedError  the caller had the reading stopped before the end
    +-- SeriesError            a file is no series of scores, or a damaged one
    +-- StoreError             the database cannot be used
    +-- EvidenceError          a file is no evidence zip at all (one that was changed is a finding, not an error)
    +-- NotFoundError          no stream, peer or event of that name
    +-- ConflictError          the name is already taken
    +-- OverloadedError        no room for one more stream, peer or upload
    +-- SourceError            a live source failed; `.kind` says how (see `SourceErrorKind`)

Those of one protocol alone (SDP, WHIP, a port in use, a notification not taken) stand beside the code that raises
them, under the same root.
Messages say what was expected, what came, and what to do; they never contain a password.
"""

from __future__ import annotations

from enum import StrEnum


class DeepfakeMonitorError(Exception):
    """Base of everything raised on purpose. `code` is stable and appears in the JSON error shape."""

    code: str = "error"


class ConfigError(DeepfakeMonitorError):
    """A setting, file or address that the operator gave is wrong."""

    code = "bad_config"


class DetectorError(DeepfakeMonitorError):
    """The face detector's file is missing, has another checksum, or cannot be loaded."""

    code = "detector_unavailable"


class WeightsError(DeepfakeMonitorError):
    """A weights file or its card is missing, corrupted, or belongs to another network."""

    code = "bad_weights"


class ScorerError(DeepfakeMonitorError):
    """The device failed while scoring."""

    code = "scorer_failed"


class MediaError(DeepfakeMonitorError):
    """The video cannot be opened, read or decoded."""

    code = "bad_media"


class NotAVideoError(MediaError):
    """No container, or no video stream, that we can read."""

    code = "not_a_video"


class NoFacesError(MediaError):
    """The video was read to its end, but no face was fit to be judged."""

    code = "no_faces"


class TooLargeError(MediaError):
    """More bytes, pixels or seconds than allowed."""

    code = "too_large"


class VideoStoppedError(MediaError):
    """The caller had the reading stopped before the video's end: nothing is wrong with it."""

    code = "stopped"


class SeriesError(DeepfakeMonitorError):
    """A file is no series of scores (`analyzer.alerting.series`), or a damaged one; the message names the line."""

    code = "not_a_series"


class StoreError(DeepfakeMonitorError):
    """The database cannot be used, or not now; the message says which it is, and holds no password."""

    code = "store_failed"


class EvidenceError(DeepfakeMonitorError):
    """A file is no evidence zip. One that was changed gets findings instead."""

    code = "not_evidence"


class NotFoundError(DeepfakeMonitorError):
    """There is no stream, peer or event of that name."""

    code = "not_found"


class ConflictError(DeepfakeMonitorError):
    """The name is already taken."""

    code = "taken"


class OverloadedError(DeepfakeMonitorError):
    """There is no room for one more stream, peer or upload."""

    code = "overloaded"


class SourceErrorKind(StrEnum):
    """Why a live source failed, as an operator can act on it."""

    AUTH = "auth"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    NOT_FOUND = "not found"
    NO_MEDIA = "no media"
    CODEC = "codec"
    FORBIDDEN = "forbidden"


class SourceError(DeepfakeMonitorError):
    """A live source failed. `kind` is shown to the operator; the text holds no password."""

    code = "source_failed"

    def __init__(self, kind: SourceErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
