/** @import { MonitorEvent } from "../core/types.js" */
/** @import { Point } from "../charts/score-history.js" */
import { lengthWords, localClock, sigmoid } from "./event-words.js";
import { THRESHOLD, counted, percent } from "../core/format.js";

/** Scores further apart than this are not joined: nothing was scored in between. */
const GAP_S = 2.5;
/** No time in seconds and no logit comes near. */
const LARGEST = 1e15;
/** Room beside the marks at the chart's edges, as a part of its length. */
const MARGIN = 0.03;

/**
 * Reads the scores of one face out of `scores.jsonl`. A file that is cut off or damaged gives what can still be read.
 *
 * @param {string} text lines of JSON, as docs/alerts.md describes them
 * @param {number | null} faceId null: of all faces
 * @returns {{ points: Point[], damaged: number }} by time; how many lines could not be read
 */
export function parseSeries(text, faceId) {
  /** @type {Point[]} */
  const points = [];
  let damaged = 0;
  for (const [number, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const entry = parsed(line);
    if (entry === null) damaged += 1;
    else if (number === 0 && "series" in entry) continue;
    else if (!isNumber(entry.t)) damaged += 1;
    else if ("logit" in entry && (faceId === null || entry.face === faceId)) {
      const p = probability(entry.logit);
      if (p === null) damaged += 1;
      else points.push({ at: entry.t, p });
    }
  }
  return { points: points.sort((a, b) => a.at - b.at), damaged };
}

/**
 * @param {string} line
 * @returns {Record<string, unknown> | null}
 */
function parsed(line) {
  try {
    const entry = JSON.parse(line);
    return entry !== null && typeof entry === "object" && !Array.isArray(entry) ? entry : null;
  } catch {
    return null;
  }
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === "number" && Math.abs(value) < LARGEST;
}

/** @param {unknown} logit a number, "inf" or "-inf"; "nan" has no probability */
function probability(logit) {
  if (logit === "inf") return 1;
  if (logit === "-inf") return 0;
  return isNumber(logit) ? sigmoid(logit) : null;
}

/**
 * Scores that are known from elsewhere, after those of the file.
 *
 * @param {readonly Point[]} points by time
 * @param {readonly Point[]} later by time
 */
export function continued(points, later) {
  const last = points.at(-1)?.at ?? -Infinity;
  return [...points, ...later.filter((point) => point.at > last)];
}

/**
 * As lines without gaps.
 *
 * @param {readonly Point[]} points by time
 */
export function linesOf(points) {
  /** @type {Point[][]} */
  const lines = [];
  let previous = -Infinity;
  for (const point of points) {
    if (point.at - previous > GAP_S) lines.push([]);
    lines.at(-1)?.push(point);
    previous = point.at;
  }
  return lines;
}

/**
 * The time that a chart of an event shows: all of its scores and all of its marks.
 *
 * @param {readonly Point[]} points by time
 * @param {readonly { at: number }[]} marks
 * @returns {{ from: number, to: number }} Unix seconds
 */
export function spanOf(points, marks) {
  const times = [points[0]?.at, points.at(-1)?.at, ...marks.map(({ at }) => at)].filter((at) => at !== undefined);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const margin = Math.max(0.5, (last - first) * MARGIN);
  return { from: first - margin, to: last + margin };
}

/**
 * The moments of an event, by time.
 *
 * @param {MonitorEvent} event
 * @returns {{ name: "start" | "peak" | "end", at: number, p: number | null }[]}
 */
export function marksOf({ started_at, peak_at, peak_probability, ended_at }) {
  /** @type {{ name: "start" | "peak" | "end", at: number, p: number | null }[]} */
  const marks = [{ name: "start", at: started_at, p: null }];
  if (peak_at !== null) marks.push({ name: "peak", at: peak_at, p: peak_probability });
  if (ended_at !== null) marks.push({ name: "end", at: ended_at, p: null });
  return marks.sort((a, b) => a.at - b.at);
}

/**
 * The score nearest to a moment; null where nothing was scored around it.
 *
 * @param {readonly Point[]} points
 * @param {number} at
 */
export function nearestTo(points, at) {
  /** @type {Point | null} */
  let best = null;
  for (const point of points) if (!best || Math.abs(point.at - at) < Math.abs(best.at - at)) best = point;
  return best && Math.abs(best.at - at) <= GAP_S / 2 ? best : null;
}

/**
 * Where the names of marks stand beside their lines: those that would lie on one another go a line lower.
 *
 * @param {readonly { x: number, width: number }[]} labels by place, CSS pixels
 * @param {number} right edge that none may cross
 * @returns {{ x: number, row: number }[]}
 */
export function placeLabels(labels, right) {
  /** Right end of the last label of each row. @type {number[]} */
  const ends = [];
  return labels.map(({ x, width }) => {
    const left = x + 3 + width <= right ? x + 3 : x - 3 - width; // never across its own line
    let row = ends.findIndex((end) => end < left);
    if (row < 0) row = ends.length;
    ends[row] = left + width + 4;
    return { x: left, row };
  });
}

/**
 * The chart in words, for those who cannot see it.
 *
 * @param {MonitorEvent} event
 * @param {readonly Point[]} points by time
 */
export function chartWords(event, points) {
  const values = points.map(({ p }) => p);
  const [first, last] = [points[0], points.at(-1)];
  const scores =
    first && last
      ? `${counted(points.length, "score")} over ${lengthWords(last.at - first.at)}, lowest ${percent(least(values))}, highest ${percent(most(values))}`
      : "no scores";
  const marks = marksOf(event).map(({ name, at, p }) => `${name} at ${localClock(at)}${p === null ? "" : ` with ${percent(p)}`}`);
  return `Scores: ${scores}; ${marks.join(", ")}; the threshold is ${percent(THRESHOLD)}. Arrow keys read single moments.`;
}

/** @param {readonly number[]} values may be more than a call takes arguments */
function least(values) {
  return values.reduce((a, b) => Math.min(a, b), 1);
}

/** @param {readonly number[]} values */
function most(values) {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
