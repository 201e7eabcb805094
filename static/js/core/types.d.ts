// The JSON of /ws/live, /ws/view and the REST interface, word for word; `*_at` and `at` are Unix seconds of the server's clock.

export type StreamState = "connecting" | "live" | "stalled" | "lost" | "ended" | "removed";

export type VerdictState =
  | "warming up"
  | "not scored"
  | "no sign of manipulation"
  | "uncertain"
  | "suspicious"
  | "alert";

/** How easily alerts are raised. */
export type Sensitivity = "quiet" | "balanced" | "eager";

export interface StreamMessage {
  type?: "stream";
  stream_id: string;
  kind: string;
  /** Password masked. */
  url: string | null;
  state: StreamState;
  error_kind: string | null;
  message: string | null;
  retry_in_s: number | null;
  width: number | null;
  height: number | null;
  codec: string | null;
  fps: number | null;
  generation: number;
  /** What is wrong with its pictures. */
  picture: "black picture" | "frozen picture" | "looped picture" | "same picture as another stream" | null;
  picture_since: number | null;
  /** The stream that shows the same picture. */
  picture_same_as: string | null;
  sensitivity: Sensitivity;
  /** No pictures of it are kept, only scores. */
  privacy: boolean;
  at: number;
}

export interface Quality {
  fit: boolean;
  reason: string | null;
  size_px: number;
  sharpness: number;
  brightness: number;
  yaw: number;
}

export interface FaceBox {
  face_id: number;
  /** x, y, width, height in pixels of the full frame. */
  box: [number, number, number, number];
  quality: Quality;
}

export interface FacesMessage {
  type?: "faces";
  stream_id: string;
  generation: number;
  frame_index: number;
  frame_at: number;
  width: number;
  height: number;
  faces: FaceBox[];
}

/** What a score rests on: docs/explanation.md. */
export interface Evidence {
  /** 7 rows of 7, 0 to 100. */
  where: number[][];
  /** 16, oldest first; null, as is `window_logit`, where the window path has no say with these weights. */
  when: number[] | null;
  /** 16 logits, oldest first, whose mean is the score's; empty where the server cannot tell. */
  counted: number[];
  frame_logits: number[];
  window_logit: number | null;
  /** Share of the windows of real faces in the calibration material that score lower, 0 to 1. */
  calibration_percentile?: number | null;
}

export interface ScoreMessage {
  type?: "score";
  stream_id: string;
  face_id: number;
  generation: number;
  frame_index: number;
  fake_probability: number;
  logit: number;
  window: number;
  face_at: number;
  scored_at: number;
  latency_ms: number;
  stream_fake_probability: number | null;
  evidence?: Evidence | null;
}

export interface VerdictMessage {
  type?: "verdict";
  stream_id: string;
  face_id: number;
  state: VerdictState;
  reason: string | null;
  filled: number;
  fake_probability: number | null;
  at: number;
}

export interface FaceEndedMessage {
  type?: "face_ended";
  stream_id: string;
  face_id: number;
  at: number;
}

export interface AlertMessage {
  type?: "alert";
  stream_id: string;
  face_id: number;
  raised: boolean;
  fake_probability: number;
  at: number;
  started_at: number;
}

export interface UploadMessage {
  type?: "upload";
  upload_id: string;
  /** 0 to 1. */
  progress: number;
  at: number;
}

export interface NotificationStats {
  /** What does not reach its target now, and why, each in words. */
  failing: string[];
  /** Notifications that were given up since the server's start. */
  dead: number;
}

export interface StatsMessage {
  type?: "stats";
  at: number;
  device: string;
  model: string;
  status: "ok" | "degraded";
  streams: number;
  viewers: number;
  scores_total: number;
  scores_per_s: number;
  latency_ms: { p50: number; p95: number } | null;
  /** Why nothing can be stored now; null while all is well, or nothing is kept. */
  storage?: string | null;
  /** Null where nothing is kept, and so nothing is told. */
  notifications?: NotificationStats | null;
  dropped: Record<string, number>;
  queues: Record<string, number>;
}

export type EventKind =
  | "suspected manipulation"
  | "black picture"
  | "frozen picture"
  | "looped picture"
  | "same picture as another stream";

export type EventState = "open" | "ended" | "interrupted";

/** What an operator made of an event. */
export type ReviewMark = "confirmed" | "false alarm" | "unsure";

/** What raised and ended an alert; logits. */
export interface EventRules {
  sensitivity: Sensitivity;
  alert_above: number;
  /** Logit x seconds. */
  alert_evidence: number;
  clear_below: number;
}

/** One file of an event's evidence. */
export interface PartInfo {
  name: string;
  media_type: string;
  size: number;
  sha256: string;
}

/** One alert from its start to its end; the server's name for it is `Event`, which the browser has taken. */
export interface MonitorEvent {
  id: string;
  stream_id: string;
  kind: EventKind;
  state: EventState;
  face_id: number | null;
  same_as: string | null;
  started_at: number;
  updated_at: number;
  ended_at: number | null;
  peak_at: number | null;
  peak_probability: number | null;
  scores: number;
  rules: EventRules | null;
  source_kind: string;
  source_url: string | null;
  model: string;
  weights_sha256: string | null;
  version: string;
  private: boolean;
  notes: string[];
  mark: ReviewMark | null;
  mark_note: string;
  marked_at: number | null;
  parts: PartInfo[];
}

export interface EventMessage {
  type?: "event";
  event: MonitorEvent;
  deleted: boolean;
}

/** What GET /api/events answers. */
export interface EventPage {
  items: MonitorEvent[];
  next: string | null;
}

export interface EvidenceKey {
  algorithm: string;
  fingerprint: string;
  public_key: string;
}

export interface HelloMessage {
  type?: "hello";
  server: { name: string; version: string };
  at: number;
  device: string;
  model: string;
  /** What share of fakes the weights find, in one sentence. */
  coverage?: string | null;
  streams: StreamMessage[];
  faces: FacesMessage[];
  scores: ScoreMessage[];
  verdicts: VerdictMessage[];
  alerts: AlertMessage[];
  stats: StatsMessage | null;
  /** Side of the square that is cut out around a face's box, over the box's longer side. */
  crop_scale?: number;
}

export type LiveMessage =
  | (HelloMessage & { type: "hello" })
  | (StreamMessage & { type: "stream" })
  | (FacesMessage & { type: "faces" })
  | (ScoreMessage & { type: "score" })
  | (VerdictMessage & { type: "verdict" })
  | (FaceEndedMessage & { type: "face_ended" })
  | (AlertMessage & { type: "alert" })
  | (UploadMessage & { type: "upload" })
  | (EventMessage & { type: "event" })
  | (StatsMessage & { type: "stats" })
  | { type: "pong"; at: number };

export interface ScorePoint {
  face_id: number;
  face_at: number;
  fake_probability: number;
}

export interface ReportFace {
  face_id: number;
  first_s: number;
  last_s: number;
  fake_probability: number | null;
  crops: number;
  windows: number;
  not_scored: Record<string, number>;
  /** Its most suspicious window. */
  peak?: { at_s: number; fake_probability: number; evidence: Evidence | null; picture: string | null } | null;
}

export interface TimelinePoint {
  face_id: number;
  start_s: number;
  end_s: number;
  fake_probability: number;
}

/** What POST /predict_video answers. */
export interface VideoReport {
  filename: string;
  prediction: { label: "REAL" | "DEEPFAKE"; raw_score: number; confidence: number; is_deepfake: boolean };
  status: "success";
  model: { name: string; sha256: string | null; aggregate: string; coverage?: string | null };
  video: { duration_s: number; fps: number; width: number; height: number; frames_read: number; notes: string[] };
  faces: ReportFace[];
  timeline: TimelinePoint[];
}

/** How the dashboard stands with the server. */
export interface Connection {
  state: "connecting" | "connected" | "lost";
  /** `Date.now()` of the next attempt, while lost. */
  retryAtMs: number | null;
  /** True when a connection was lost before this one. */
  regained: boolean;
  /** `Date.now()` when this state began. */
  sinceMs: number;
}

export interface Upload {
  id: string;
  filename: string;
  bytes: number;
  phase: "sending" | "analysing" | "done" | "failed" | "cancelled";
  /** 0 to 1 within the phase. */
  progress: number;
  error: string | null;
  report: VideoReport | null;
}

export interface Share {
  phase: "off" | "starting" | "live" | "retrying";
  streamId: string | null;
  /** `Date.now()` of the next attempt, while retrying. */
  retryAtMs: number | null;
  why: string | null;
  media: MediaStream | null;
}

export interface Notice {
  id: number;
  tone: "info" | "warning" | "error";
  text: string;
}

export type Tone = "clear" | "nothing" | "uncertain" | "suspicious" | "alert" | "neutral" | "progress";

/** A verdict as people see it: words, colour (tone) and shape (icon). */
export interface VerdictView {
  state: VerdictState | "none";
  words: string;
  /** Fits a box label. */
  short: string;
  tone: Tone;
  icon: string;
  /** Higher is more suspicious. */
  rank: number;
}

/** What views are given: the one store, and those who act on the operator's behalf. */
export interface Context {
  store: import("./store.js").Store;
  ticker: import("./ticker.js").Ticker;
  share: import("../streams/webcam-share.js").WebcamShare;
  uploads: import("../uploads/uploads.js").Uploads;
  events: import("../events/event-desk.js").EventDesk;
}
