/** @import { EventKind, EventRules, EventState, MonitorEvent, ReviewMark, Tone } from "../core/types.js" */
import { capital, percent } from "../core/format.js";

/**
 * A word of an event as people see it: words, colour (tone) and shape (icon).
 *
 * @typedef {{ words: string, icon: string, tone: Tone, meaning?: string }} View
 */

/** @type {Record<EventKind, View>} */
export const KINDS = {
  "suspected manipulation": { words: "Suspected manipulation", icon: "alert", tone: "alert" },
  "black picture": { words: "Black picture", icon: "picture-black", tone: "suspicious" },
  "frozen picture": { words: "Frozen picture", icon: "state-stalled", tone: "suspicious" },
  "looped picture": { words: "Looped picture", icon: "picture-looped", tone: "suspicious" },
  "same picture as another stream": { words: "Same picture as another stream", icon: "picture-same", tone: "suspicious" },
};

/** @type {Record<EventState, View>} */
export const STATES = {
  open: { words: "Going on", icon: "state-live", tone: "alert", meaning: "The alert has not ended." },
  ended: { words: "Ended", icon: "state-ended", tone: "neutral", meaning: "The alert has ended." },
  interrupted: {
    words: "Interrupted",
    icon: "state-lost",
    tone: "uncertain",
    meaning: "The monitor stopped, or the stream went, while it went on: nobody saw its end.",
  },
};

/** @type {Record<ReviewMark, View>} */
export const MARKS = {
  confirmed: { words: "Confirmed", icon: "alert", tone: "alert" },
  "false alarm": { words: "False alarm", icon: "clear", tone: "clear" },
  unsure: { words: "Unsure", icon: "uncertain", tone: "uncertain" },
};

/** @type {View} */
export const NO_MARK = { words: "Not marked", icon: "not-scored", tone: "neutral" };

/** @param {string} kind also of a newer server */
export function kindView(kind) {
  return viewOf(KINDS, kind);
}

/** @param {string} state */
export function stateView(state) {
  return viewOf(STATES, state);
}

/** @param {string | null} mark */
export function markView(mark) {
  return mark === null ? NO_MARK : viewOf(MARKS, mark);
}

/**
 * @param {Record<string, View>} views
 * @param {string} name
 * @returns {View}
 */
function viewOf(views, name) {
  return (Object.hasOwn(views, name) ? views[name] : undefined) ?? { words: capital(name), icon: "info", tone: "neutral" };
}

/** What happened; of two streams with one picture it names the other. @param {MonitorEvent} event */
export function whatWords({ kind, same_as }) {
  return same_as ? `Same picture as ${same_as}` : kindView(kind).words;
}

/** What happened, and where. @param {MonitorEvent} event */
export function eventTitle(event) {
  const face = event.face_id === null ? "" : `, face ${event.face_id}`;
  return `${whatWords(event)}, stream ${event.stream_id}${face}`;
}

/**
 * 75 -> "1 min 15 s".
 *
 * @param {number} seconds
 */
export function lengthWords(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  if (whole < 60) return `${whole} s`;
  if (hours === 0) return `${minutes} min ${whole % 60} s`;
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days ${hours % 24} h`;
}

/**
 * How long an event went on, or has gone on.
 *
 * @param {MonitorEvent} event
 * @param {number} nowS server clock, Unix seconds
 */
export function eventLength(event, nowS) {
  if (event.ended_at !== null) return lengthWords(event.ended_at - event.started_at);
  return `${lengthWords(nowS - event.started_at)} so far`;
}

/**
 * @param {number} at Unix seconds
 * @param {Intl.DateTimeFormatOptions} [style]
 */
export function localTime(at, style = { dateStyle: "medium", timeStyle: "medium" }) {
  return new Date(at * 1000).toLocaleString([], style);
}

/** The time without its year, for lists. @param {number} at Unix seconds */
export function shortTime(at) {
  return localTime(at, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit" });
}

/** The time without its date. @param {number} at Unix seconds */
export function localClock(at) {
  return localTime(at, { timeStyle: "medium" });
}

/** @param {number} at Unix seconds */
export function utcTime(at) {
  return `${new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** What raised and ended the alert, in per cent where people read per cent. @param {EventRules} rules */
export function rulesWords(rules) {
  return (
    `Sensitivity ${rules.sensitivity}: scores above ${percent(sigmoid(rules.alert_above))} counted as evidence, and ${rules.alert_evidence} of it ` +
    `(logit × seconds) raised the alert. It ends when the smoothed score falls below ${percent(sigmoid(rules.clear_below))}.`
  );
}

/** @param {number} logit */
export function sigmoid(logit) {
  return 1 / (1 + Math.exp(-logit));
}

/** @type {Record<string, string>} */
const SOURCES = { webrtc: "Webcam (WebRTC)", rtsp: "Camera (RTSP)", rtmp: "RTMP", http: "HTTP", file: "File" };

/** Where its pictures came from. @param {MonitorEvent} event */
export function sourceWords({ source_kind, source_url }) {
  return [SOURCES[source_kind] ?? source_kind, source_url].filter(Boolean).join(", ");
}

/** @param {MonitorEvent} event one without any picture */
export function noPicturesWords(event) {
  if (event.private) return "This is a private stream: no pictures of it are kept.";
  if (event.state === "open") return "The pictures and the clip are made a few seconds after the alert; they will appear here.";
  return "There are no pictures of this event.";
}
