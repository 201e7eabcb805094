/** @import { Connection, StatsMessage, StreamMessage, VerdictMessage, VerdictView, Tone } from "./types.js" */

/** Scores at or above look manipulated: the network's operating point. */
export const THRESHOLD = 0.5;

/** What a score means, for tooltips and screen readers. */
export const SCORE_MEANING =
  "How strongly the newest 16 pictures of this face look manipulated: 0 % shows no sign, 100 % shows strong signs, " +
  "50 % is the threshold. It is a network's opinion, never a proof.";

/**
 * What one score means: how rare it is among real faces, where the server says, and what scores are.
 *
 * @param {string} rarity as `rarityWords` puts it
 */
export function scoreMeaning(rarity) {
  return `${rarity} ${SCORE_MEANING}`.trim();
}

/** @type {Record<string, Omit<VerdictView, "state">>} */
const VERDICTS = {
  alert: { words: "Alert: looks manipulated", short: "alert", tone: "alert", icon: "alert", rank: 6 },
  suspicious: { words: "Suspicious", short: "suspicious", tone: "suspicious", icon: "suspicious", rank: 5 },
  uncertain: { words: "Uncertain", short: "uncertain", tone: "uncertain", icon: "uncertain", rank: 4 },
  "no sign of manipulation": {
    words: "Nothing suspicious found",
    short: "nothing found",
    tone: "nothing",
    icon: "nothing-found",
    rank: 3,
  },
  "warming up": { words: "Warming up", short: "warming up", tone: "progress", icon: "warming", rank: 2 },
  "not scored": { words: "Not scored", short: "not scored", tone: "neutral", icon: "not-scored", rank: 1 },
};

/** @type {VerdictView} */
export const NO_VERDICT = {
  state: "none",
  words: "No face yet",
  short: "",
  tone: "neutral",
  icon: "not-scored",
  rank: 0,
};

/**
 * A verdict in words, colour and shape.
 *
 * @param {VerdictMessage | null} verdict
 * @returns {VerdictView}
 */
export function verdictView(verdict) {
  const known = verdict && Object.hasOwn(VERDICTS, verdict.state) ? VERDICTS[verdict.state] : undefined;
  if (!verdict || !known) return NO_VERDICT;
  if (verdict.state === "warming up") {
    const filled = `warming up ${verdict.filled}/16`;
    return { ...known, state: verdict.state, words: capital(filled), short: filled };
  }
  if (verdict.state === "not scored" && verdict.reason) {
    return { ...known, state: verdict.state, words: `Not scored: ${verdict.reason}`, short: verdict.reason };
  }
  return { ...known, state: verdict.state };
}

/** @type {Record<string, string>} */
const STATES = { connecting: "Connecting", live: "Live", stalled: "Stalled", lost: "Lost", ended: "Ended", removed: "Removed" };

/** @type {Record<string, string>} */
const ERRORS = {
  auth: "wrong user name or password",
  unreachable: "host cannot be reached",
  tls: "no secure connection",
  "not found": "no such stream on the host",
  "no media": "connected, but no picture comes",
  codec: "video format not supported",
  forbidden: "address not allowed",
};

/** @type {Record<string, Tone>} */
const STATE_TONES = { live: "clear", stalled: "uncertain", lost: "suspicious", connecting: "progress" };

/**
 * A stream's state, short for its badge and whole for the space below it.
 *
 * @param {StreamMessage} stream
 * @param {number} nowS server clock, Unix seconds
 */
export function streamState(stream, nowS) {
  const short = STATES[stream.state] ?? stream.state;
  const tone = STATE_TONES[stream.state] ?? "neutral";
  let detail = "";
  if (stream.state === "lost" || stream.state === "stalled") {
    detail = stream.message ?? (stream.error_kind ? (ERRORS[stream.error_kind] ?? stream.error_kind) : "no new picture");
    if (stream.retry_in_s !== null) {
      const left = Math.ceil(stream.at + stream.retry_in_s - nowS);
      detail += left > 0 ? `; retry in ${left} s` : "; trying again";
    }
  } else if (stream.state === "connecting") {
    detail = stream.message ?? "Waiting for the first picture";
  } else if (stream.state === "ended") {
    detail = stream.message ?? "The source sends no more pictures";
  }
  if (stream.state === "live" && stream.picture) {
    return { short: capital(pictureTrouble(stream)), tone: "alert", detail: PICTURE_HINTS[stream.picture] ?? "" };
  }
  return { short, tone, detail: capital(detail) };
}

/** @type {Record<string, string>} */
const PICTURE_HINTS = {
  "black picture": "The picture is black: is the lens covered?",
  "frozen picture": "Nothing moves in the picture: is it a still?",
  "looped picture": "The same stretch is shown again and again: is it a recording?",
  "same picture as another stream": "Two streams show the same video: is one in the other's place?",
};

/**
 * What is wrong with a stream's pictures, and which other stream shows the same.
 *
 * @param {Pick<StreamMessage, "picture" | "picture_same_as">} stream
 */
export function pictureTrouble({ picture, picture_same_as }) {
  return picture_same_as ? `same picture as ${picture_same_as}` : (picture ?? "");
}

/** @type {Record<string, string>} */
const KINDS = { webrtc: "Webcam", rtsp: "RTSP", rtmp: "RTMP", http: "HTTP", file: "File" };

/**
 * Where a stream comes from and what it sends.
 *
 * @param {StreamMessage} stream
 */
export function streamFacts(stream) {
  const facts = [KINDS[stream.kind] ?? stream.kind];
  if (stream.width && stream.height) facts.push(`${stream.width} × ${stream.height}`);
  if (stream.fps) facts.push(`${Math.round(stream.fps)} fps`);
  return facts.join(" · ");
}

/**
 * 0.123 -> "12 %". Rounds away from the threshold's other side, so that a number never contradicts its verdict.
 *
 * @param {number | null | undefined} probability
 */
export function percent(probability) {
  if (probability === null || probability === undefined || !Number.isFinite(probability)) return "–";
  const rounded = Math.round(probability * 100);
  return `${probability < THRESHOLD && rounded === 50 ? 49 : rounded} %`;
}

/**
 * How long ago, in words.
 *
 * @param {number} seconds
 */
export function age(seconds) {
  const past = Math.max(0, seconds);
  if (past < 10) return `${past.toFixed(1)} s ago`;
  if (past < 60) return `${Math.floor(past)} s ago`;
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  return `${Math.floor(past / 3600)} h ago`;
}

/** @param {number} ms */
export function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * 75.2 -> "1:15".
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** @param {number} count */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(1)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

/**
 * Counts with their noun: (1, "stream") -> "1 stream", (2, "stream") -> "2 streams".
 *
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * What the video's answer means, in words that promise no more than the network knows.
 *
 * @param {boolean} isDeepfake
 */
export function videoVerdict(isDeepfake) {
  return isDeepfake
    ? { words: "Looks manipulated", tone: /** @type {Tone} */ ("alert"), icon: "alert" }
    : { words: "Nothing suspicious found", tone: /** @type {Tone} */ ("nothing"), icon: "nothing-found" };
}

/**
 * How rare a score is among real faces, or "" where the server does not say.
 *
 * @param {number | null | undefined} percentile share of the calibration windows of real faces below the score, 0 to 1
 */
export function rarityWords(percentile) {
  if (typeof percentile !== "number" || !(percentile >= 0 && percentile <= 1)) return "";
  const above = Math.round(100 * (1 - percentile));
  const share = above < 1 ? "fewer than 1 scores" : above === 1 ? "1 scores" : `${above} score`;
  return `Of 100 windows of real faces in the calibration material ${share} this high.`;
}

/** @param {string} text */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A regained connection is worth a word for as long as it takes to look up. */
const REGAINED_MS = 6000;

/**
 * How the page stands with the server.
 *
 * @param {Connection} connection
 * @param {number} nowMs
 */
export function connectionWords(connection, nowMs) {
  if (connection.state === "connected") {
    return connection.regained && nowMs - connection.sinceMs < REGAINED_MS ? "Connection regained" : "Connected";
  }
  if (connection.state === "connecting") return "Connecting…";
  const left = Math.ceil(((connection.retryAtMs ?? nowMs) - nowMs) / 1000);
  return left > 0 ? `Connection lost, retrying in ${left} s` : "Connection lost, retrying…";
}

/**
 * What "degraded" means; the server names the model "none" or says so when no weights were found.
 *
 * @param {string} model
 */
export function degradedWords(model) {
  if (/no trained weights|none|untrained/i.test(model)) {
    return "No trained weights: faces are found and followed, but nothing is scored. Put a weights file and its card into weights/ and restart the server.";
  }
  return "The server is degraded: a part of it has stopped. Scores may be missing or late; see the server's log and /health.";
}

/**
 * What it means that nothing can be stored; "" while all is well.
 *
 * @param {Pick<StatsMessage, "storage"> | null} stats
 */
export function storageWords(stats) {
  return stats?.storage ? `What happens now is not being stored: ${stats.storage.replace(/[.\s]+$/, "")}; scoring goes on.` : "";
}

/** More than so many are counted: one service that is away fails for every rule that tells it. */
const MAX_FAILING = 3;

/**
 * What does not reach people now; "" while all does.
 *
 * @param {Pick<StatsMessage, "notifications"> | null} stats
 */
export function failingWords(stats) {
  const failing = stats?.notifications?.failing ?? [];
  if (failing.length === 0) return "";
  const more = failing.length > MAX_FAILING ? `; and ${failing.length - MAX_FAILING} more` : "";
  return `People may not be told of alerts: ${failing.slice(0, MAX_FAILING).join("; ")}${more}. They are sent again later.`;
}

/**
 * What never reached anybody; "" where there is none.
 *
 * @param {number} dead notifications
 */
export function deadWords(dead) {
  if (dead === 0) return "";
  const [were, them] = dead === 1 ? ["was", "it"] : ["were", "them"];
  return `${counted(dead, "notification")} ${were} given up since the server started and will not arrive. GET /api/notifications/dead lists ${them}.`;
}

/** A camera sends more frames than faces are looked at per second: these were passed over as planned, not lost. */
const PLANNED = "frame_replaced";

/**
 * How much was dropped, and why.
 *
 * @param {StatsMessage | null} stats
 * @returns {[string, string]} the sum, and its causes
 */
export function droppedWords(stats) {
  if (!stats) return ["", ""];
  const causes = Object.entries(stats.dropped).filter(([cause, count]) => count > 0 && cause !== PLANNED);
  const sum = causes.reduce((total, [, count]) => total + count, 0);
  return [sum.toLocaleString("en"), causes.map(([cause, count]) => `${cause} ${count.toLocaleString("en")}`).join(", ")];
}

/** @param {Record<string, number>} reasons */
export function notScoredWords(reasons) {
  const words = Object.entries(reasons).filter(([, count]) => count > 0).map(([reason, count]) => `${count} ${reason}`);
  return words.join(", ") || "none";
}
