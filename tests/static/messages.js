/** Messages as the server sends them; tests name only what they are about. */

export const stream = (change = {}) => ({
  type: "stream",
  stream_id: "cam",
  kind: "rtsp",
  url: null,
  state: "live",
  error_kind: null,
  message: null,
  retry_in_s: null,
  width: 1280,
  height: 720,
  codec: "h264",
  fps: 25,
  generation: 1,
  sensitivity: "balanced",
  privacy: false,
  picture: null,
  picture_since: null,
  picture_same_as: null,
  at: 100,
  ...change,
});

export const verdict = (change = {}) => ({
  type: "verdict",
  stream_id: "cam",
  face_id: 1,
  state: "no sign of manipulation",
  reason: null,
  filled: 16,
  fake_probability: 0.1,
  at: 100,
  ...change,
});

export const score = (change = {}) => ({
  type: "score",
  stream_id: "cam",
  face_id: 1,
  generation: 1,
  frame_index: 5,
  fake_probability: 0.1,
  logit: -2.2,
  window: 16,
  face_at: 100,
  scored_at: 100.1,
  latency_ms: 100,
  stream_fake_probability: 0.1,
  ...change,
});

export const evidence = (change = {}) => ({
  where: Array.from({ length: 7 }, (_, row) => Array.from({ length: 7 }, (_, column) => row + column)),
  when: null,
  counted: Array(16).fill(-2.2),
  frame_logits: Array(16).fill(0),
  window_logit: null,
  ...change,
});

export const face = (change = {}) => ({
  face_id: 1,
  box: [100, 50, 80, 100],
  quality: { fit: true, reason: null, size_px: 100, sharpness: 200, brightness: 120, yaw: 0 },
  ...change,
});

export const faces = (change = {}) => ({
  type: "faces",
  stream_id: "cam",
  generation: 1,
  frame_index: 5,
  frame_at: 100,
  width: 640,
  height: 360,
  faces: [face()],
  ...change,
});

export const alert = (change = {}) => ({
  type: "alert",
  stream_id: "cam",
  face_id: 1,
  raised: true,
  fake_probability: 0.9,
  at: 100,
  started_at: 100,
  ...change,
});

export const hello = (change = {}) => ({
  type: "hello",
  server: { name: "deepfake-monitor", version: "0" },
  at: 100,
  device: "cpu",
  model: "v0",
  streams: [stream()],
  faces: [],
  scores: [],
  verdicts: [],
  alerts: [],
  stats: null,
  ...change,
});

export const event = (change = {}) => ({
  id: "20260921T141320-00000001",
  stream_id: "cam",
  kind: "suspected manipulation",
  state: "ended",
  face_id: 3,
  same_as: null,
  started_at: 1_790_000_000,
  updated_at: 1_790_000_020,
  ended_at: 1_790_000_020,
  peak_at: 1_790_000_008,
  peak_probability: 0.93,
  scores: 120,
  rules: { sensitivity: "balanced", alert_above: 0.25, alert_evidence: 2.5, clear_below: -0.35 },
  source_kind: "rtsp",
  source_url: "rtsp://operator:***@camera.example/door",
  model: "v2",
  weights_sha256: "ab".repeat(32),
  version: "0.1.0",
  private: false,
  notes: [],
  mark: null,
  mark_note: "",
  marked_at: null,
  parts: [],
  ...change,
});

export const eventMessage = (change = {}, deleted = false) => ({ type: "event", event: event(change), deleted });
