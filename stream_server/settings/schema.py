"""What operators set, with defaults and bounds; layers.py reads them from file, environment, command line.

The classes here are plain frozen values that a test can make by hand. Everything that a setting means for the analyzer
or for the sources leaves this module as a frozen dataclass of those packages.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from analyzer.alerting.verdict import Sensitivity
from analyzer.config import AnalyzerConfig
from stream_server.settings.notifications import NotificationSettings
from stream_server.settings.section import Section, StreamId, StreamPattern
from stream_server.store.keeping import Keeping
from stream_server.streams.stream import StreamSettings

ENV_PREFIX = "DEEPFAKE_MONITOR_"


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+", text):
        raise ValueError("expected scheme://host[:port] without a path, such as https://monitor.example")
    return text.lower()


def _ice_url(text: str) -> str:
    # judged here: aiortc would find it out with the first publisher, and blame the publisher's offer
    if not re.fullmatch(
        r"(stuns?:[\w.-]+(:\d{1,5})?|turns?:[\w.-]+(:\d{1,5})?(\?transport=(udp|tcp))?)", text, re.ASCII
    ):
        raise ValueError("expected stun:HOST:PORT, or turn:HOST:PORT with or without ?transport=tcp; no `//`")
    return text


def _public_url(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9._\-\[\]:]+(/[\w./~-]*)?", text, re.ASCII):
        raise ValueError("expected an address such as https://monitor.example, without user, `?` and `#`")
    return text.rstrip("/")


Network = Annotated[str, AfterValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]
IceUrl = Annotated[str, AfterValidator(_ice_url)]


class ServerSettings(Section):
    """The web server."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; `0.0.0.0` for every interface.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 picks a free one.")
    allowed_origins: tuple[Origin, ...] = Field(
        (), description="Web pages of these origins may use the API and the websockets besides our own."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names that a browser may call the server by, besides those of this machine. On loopback no others "
        "are answered; elsewhere all are unless some are set here (DNS rebinding).",
    )
    public_url: Annotated[str, AfterValidator(_public_url)] | None = Field(
        None,
        description="Where people reach the dashboard, such as `https://monitor.example`; notifications link to it.",
    )
    max_upload_mb: int = Field(
        512, ge=1, le=65536, description="Largest body of `POST /predict_video` in MB (10^6 bytes)."
    )
    max_concurrent_uploads: int = Field(2, ge=1, le=64, description="Uploads in work at once; one more gets 503.")
    upload_folder: Path | None = Field(
        None, description="Where uploads wait while they are analysed; the system's by default."
    )
    max_viewers: int = Field(
        64, ge=1, le=10000, description="Open `/ws/live` and `/ws/view` websockets; one more gets 1013."
    )
    client_queue: int = Field(
        256, ge=16, le=65536, description="Messages kept for a slow websocket before old ones go."
    )
    send_timeout_s: float = Field(
        10.0, gt=0, le=600, description="A websocket that takes nothing for this long is closed."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important line that is logged."
    )


class AnalyzerSettings(Section):
    """The analyzer: the same names and defaults as `analyzer.config.AnalyzerConfig`."""

    detect_width: int = Field(480, ge=64, le=4096, description="Frames are scaled to this width for face detection.")
    min_confidence: float = Field(0.7, ge=0, le=1, description="Detections less sure than this are ignored.")
    max_faces: int = Field(16, ge=1, le=256, description="Faces tracked per stream; the largest are kept.")
    crop_scale: float = Field(
        1.3, ge=1, le=3, description="Side of the crop relative to the face box; weights are trained with 1.3."
    )
    min_face_px: int = Field(64, ge=16, le=1024, description="Smaller faces (pixels) are not scored.")
    face_rate: float = Field(6.0, gt=0, le=60, description="Faces per second and tracked face.")
    face_rate_suspicious: float = Field(
        12.0, gt=0, le=60, description="The same while a face of the stream is uncertain or worse."
    )
    face_rate_min: float = Field(2.0, gt=0, le=60, description="Under load the rate falls to this, never lower.")
    stride: int = Field(1, ge=1, le=16, description="New faces between two scores of one window.")
    max_staleness_s: float = Field(0.5, gt=0, le=60, description="Older crops are dropped and counted, not scored.")
    max_gap_s: float = Field(1.0, gt=0, le=60, description="A face unseen, or unfit, for longer starts a new window.")
    max_batch: int = Field(32, ge=1, le=1024, description="Faces per batch.")
    max_delay_s: float = Field(
        0.010, ge=0, le=1, description="A batch closes when its oldest crop has waited this long."
    )
    max_windows: int = Field(512, ge=1, le=65536, description="Face windows held at once (196 KiB each).")
    torch_threads: int = Field(0, ge=0, le=256, description="Cores that a CPU scorer uses; 0 is all of them.")

    @model_validator(mode="after")
    def _rates_rise(self) -> AnalyzerSettings:
        if not self.face_rate_min <= self.face_rate <= self.face_rate_suspicious:
            raise ValueError("expected face_rate_min <= face_rate <= face_rate_suspicious")
        return self

    def config(self) -> AnalyzerConfig:
        """The same as a frozen dataclass of the analyzer."""
        return AnalyzerConfig(**self.model_dump())


class AlertSettings(Section):
    """When alerts are raised."""

    sensitivity: Sensitivity = Field(
        Sensitivity.BALANCED,
        description="`quiet`, `balanced` or `eager`: how easily alerts are raised. In a simulation 0.1, 1 and 8 false "
        "alarms in 8 hours of one stream; your cameras are other ones (docs/alerts.md).",
    )
    sensitivities: dict[StreamId, Sensitivity] = Field(
        default_factory=dict, description="The same for single streams, webcams too: id to sensitivity."
    )
    may_repeat: tuple[StreamPattern, ...] = Field(
        (),
        description="Ids of streams, `*` standing for anything, that may repeat themselves or show what another one "
        "shows: a test loop, the second address of a camera.",
    )


class SourceSettings(Section):
    """Which videos may be opened, and how: names and defaults of `stream_server.streams.stream.StreamSettings`."""

    max_streams: int = Field(16, ge=1, le=10000, description="Streams of every kind at once; one more gets 503.")
    folders: tuple[Path, ...] = Field((), description="`POST /api/streams` may open files below these folders only.")
    allow_networks: tuple[Network, ...] = Field(
        (), description="When set, sources must have an address in one of these (CIDR)."
    )
    deny_networks: tuple[Network, ...] = Field(
        (), description="Addresses that are never opened (CIDR); cloud metadata addresses never are."
    )
    rtsp_transport: Literal["tcp", "udp"] = Field(
        "tcp", description="How RTSP media travels, unless a stream says otherwise."
    )
    hardware_decoding: str = Field(
        "off",
        pattern=r"^[a-z0-9_]{1,32}$",
        description="What decodes cameras: `off` (the processor), `auto` (the first device that works), or one kind, "
        "such as `cuda`. Where there is none, or it does not take the video, the processor decodes.",
    )
    # no less: what is wrong with its pictures ends when it is stalled, and is looked for anew after 2 s without any
    watchdog_s: float = Field(
        3.0, ge=2, le=300, description="A live stream without a picture for this long is `stalled`."
    )

    def config(
        self, alerts: AlertSettings, private: frozenset[str] = frozenset(), *, recorded: bool = True
    ) -> StreamSettings:
        """The same as a frozen dataclass, as the registry takes it."""
        return StreamSettings(
            **self.model_dump(),
            sensitivity=alerts.sensitivity,
            sensitivities=dict(alerts.sensitivities),
            may_repeat=alerts.may_repeat,
            private=private,
            recorded=recorded,
        )


class StorageSettings(Section):
    """What is kept, where, and for how long (docs/storage.md); whichever of days and MB is reached first."""

    enabled: bool = Field(True, description="Keep history, events and evidence. Without, alerts are only shown.")
    data_dir: Path | None = Field(
        None,
        description="Folder of the database and of the key that signs evidence; by default `deepfake-monitor` in the "
        "user's data folder (`~/.local/share` on Linux).",
    )
    database_url: SecretStr | None = Field(
        None, description="`postgresql://USER:PASSWORD@HOST/DATABASE` instead of a file in `data_dir`."
    )
    private_streams: tuple[StreamId, ...] = Field(
        (), description="Streams, webcams too, of which no pictures are kept, only scores (docs/privacy.md)."
    )
    score_hours: float = Field(1.0, ge=0, le=8760, description="Every single score, for so long.")
    score_mb: float = Field(500.0, ge=1, le=1e6, description="And at most so much of them.")
    history_days: float = Field(30.0, ge=0, le=3650, description="Scores in steps of ten seconds, for so long.")
    history_mb: float = Field(2000.0, ge=1, le=1e6, description="And at most so much of them.")
    event_days: float = Field(365.0, ge=0, le=3650, description="Events with their evidence, for so long.")
    event_mb: float = Field(10_000.0, ge=1, le=1e8, description="And at most so much of them.")

    def keeping(self) -> Keeping:
        """The same as a frozen dataclass of the store."""
        return Keeping(
            score_hours=self.score_hours,
            score_mb=self.score_mb,
            history_days=self.history_days,
            history_mb=self.history_mb,
            event_days=self.event_days,
            event_mb=self.event_mb,
        )

    def folder(self) -> Path:
        """Where data is kept."""
        return self.data_dir or platformdirs.user_data_path("deepfake-monitor", appauthor=False)


class IceServer(Section):
    """One STUN or TURN server."""

    urls: tuple[IceUrl, ...] = Field(min_length=1, description="`stun:` or `turn:` addresses.")
    username: str | None = Field(None, description="TURN user.")
    credential: str | None = Field(None, repr=False, description="TURN password; browsers get it.")

    @model_validator(mode="after")
    def _turn_has_a_password(self) -> IceServer:
        if any(url.startswith("turn") for url in self.urls) and (self.username is None or self.credential is None):
            raise ValueError("expected username and credential for a turn: server")
        return self


class WebRTCSettings(Section):
    """Webcams and other WHIP publishers."""

    ice_servers: tuple[IceServer, ...] = Field(
        (), description="STUN and TURN servers, each `{urls, username, credential}`; none by default."
    )
    max_peers: int = Field(16, ge=1, le=1000, description="WHIP publishers at once; one more gets 503.")
    whip_ids: tuple[StreamId, ...] = Field((), description="When set, only these stream ids may be published by WHIP.")
    no_frame_timeout_s: float = Field(
        3.0, ge=2, le=300, description="A peer without a picture for this long is `stalled`."
    )
    connect_timeout_s: float = Field(
        15.0, gt=0, le=300, description="A peer that is not connected by then is given up; its id is free again."
    )
    ended_after_s: float = Field(
        15.0, gt=0, le=3600, description="A peer without a picture for this long is gone; its id is free again."
    )
    start_bitrate_kbps: int | None = Field(
        1000, ge=30, le=100_000, description="Where Chromium starts to send; null leaves it to the browser."
    )

    @model_validator(mode="after")
    def _stalls_before_it_ends(self) -> WebRTCSettings:
        if self.no_frame_timeout_s > self.ended_after_s:
            raise ValueError("expected no_frame_timeout_s <= ended_after_s")
        return self


class StreamEntry(Section):
    """One stream that is opened at start."""

    url: str = Field(min_length=1, repr=False, description="`rtsp:`, `rtsps:`, `rtmp:`, `http:`, `https:` or a file.")
    transport: Literal["tcp", "udp"] | None = Field(None, description="RTSP transport of this stream.")
    privacy: bool = Field(False, description="Keep no pictures of it, only scores.")


class Settings(BaseSettings):
    """Everything that operators set. Made by `load_settings`, or by hand: then no file and no environment is read."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="`auto` (CUDA where it works), `cpu`, `cuda` or `cuda:N`.",
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="`auto` (OpenVINO on a CPU where it works, else torch), `openvino` (the same, and never "
        "CUDA), or `torch` (no OpenVINO at all: OpenCV finds the faces, three times slower).",
    )
    weights: Path | None = Field(None, description="Weights file; by default the one that comes with the program.")
    demo: bool = Field(False, description="Add two demo streams: a real face and a pseudo-fake of it.")
    streams: dict[StreamId, StreamEntry] = Field(
        default_factory=dict,
        description="Streams opened at start: id to a URL or file, or to `{url, transport, privacy}`.",
    )
    server: ServerSettings = ServerSettings()
    analyzer: AnalyzerSettings = AnalyzerSettings()
    alerts: AlertSettings = AlertSettings()
    sources: SourceSettings = SourceSettings()
    storage: StorageSettings = StorageSettings()
    notifications: NotificationSettings = NotificationSettings()
    webrtc: WebRTCSettings = WebRTCSettings()

    @property
    def private_streams(self) -> frozenset[str]:
        """Ids of streams of which no pictures are kept."""
        return frozenset(self.storage.private_streams) | {name for name, one in self.streams.items() if one.privacy}

    @property
    def detector_engine(self) -> str:
        """See `YuNetDetector`."""
        return "opencv" if self.backend == "torch" else "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: layers.py merges the sources, and so can say which one was wrong."""
        del cls, settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _url_alone_is_an_entry(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("streams"), dict):
            entries = {name: {"url": v} if isinstance(v, str) else v for name, v in values["streams"].items()}
            return {**values, "streams": entries}
        return values
