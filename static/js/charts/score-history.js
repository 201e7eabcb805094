/** @import { ScorePoint } from "../core/types.js" */

/** Minutes that the chart can show. */
const KEEP_S = 300;
/** Scores further apart than this are not joined by a line: nothing was scored in between. */
const GAP_S = 2.5;
/** 12 faces a second, the highest face rate, for `KEEP_S`. */
const MAX_POINTS = 3600;
/** A crowd walking past must not fill the memory; the face that was scored longest ago goes. */
const MAX_FACES = 16;

/** @typedef {{ at: number, p: number }} Point */

/** The scores of one stream over the last minutes, per face: what the chart draws. */
export class ScoreHistory {
  /** @type {Map<number, Point[]>} */
  #faces = new Map();

  /**
   * @param {number} faceId
   * @param {number} at Unix seconds
   * @param {number} p 0 to 1
   */
  add(faceId, at, p) {
    const points = this.#faces.get(faceId) ?? [];
    const last = points.at(-1);
    if (last && at <= last.at) return; // re-sent after a reconnect
    points.push({ at, p });
    if (points.length > MAX_POINTS) points.splice(0, points.length - MAX_POINTS);
    this.#faces.delete(faceId); // keeps the map ordered by newest score
    this.#faces.set(faceId, points);
    if (this.#faces.size > MAX_FACES) this.#faces.delete([...this.#faces.keys()][0] ?? faceId);
  }

  /**
   * Puts older scores, fetched from the server, before those that have come since.
   *
   * @param {readonly ScorePoint[]} items
   */
  merge(items) {
    const since = this.#faces;
    this.#faces = new Map();
    for (const item of [...items].sort((a, b) => a.face_at - b.face_at)) {
      this.add(item.face_id, item.face_at, item.fake_probability);
    }
    for (const [faceId, points] of since) for (const point of points) this.add(faceId, point.at, point.p);
  }

  /** @param {number} nowS forgets what is older than the chart can show */
  prune(nowS) {
    for (const [faceId, points] of this.#faces) {
      const first = points.findIndex((point) => point.at >= nowS - KEEP_S);
      if (first < 0) this.#faces.delete(faceId);
      else if (first > 0) points.splice(0, first);
    }
  }

  /** Faces with scores, in order of their number. */
  faceIds() {
    return [...this.#faces.keys()].sort((a, b) => a - b);
  }

  /**
   * One face's scores as lines without gaps.
   *
   * @param {number} faceId
   * @param {number} sinceS
   * @returns {Point[][]}
   */
  lines(faceId, sinceS) {
    /** @type {Point[][]} */
    const lines = [];
    let previous = -Infinity;
    for (const point of this.#faces.get(faceId) ?? []) {
      if (point.at < sinceS) continue;
      if (point.at - previous > GAP_S) lines.push([]);
      lines.at(-1)?.push(point);
      previous = point.at;
    }
    return lines;
  }

  /**
   * What each face scored at a moment; faces that were not scored around it are left out.
   *
   * @param {number} atS
   */
  at(atS) {
    /** @type {{ faceId: number, at: number, p: number }[]} */
    const found = [];
    for (const faceId of this.faceIds()) {
      /** @type {Point | null} */
      let best = null;
      for (const point of this.#faces.get(faceId) ?? []) {
        if (!best || Math.abs(point.at - atS) < Math.abs(best.at - atS)) best = point;
      }
      if (best && Math.abs(best.at - atS) <= GAP_S / 2) found.push({ faceId, at: best.at, p: best.p });
    }
    return found;
  }

  /**
   * Number, lowest, highest and newest score since a moment; null without any.
   *
   * @param {number} sinceS
   */
  summary(sinceS) {
    let count = 0;
    let [low, high] = [1, 0];
    /** @type {Point | null} */
    let newest = null;
    for (const points of this.#faces.values()) {
      for (const point of points) {
        if (point.at < sinceS) continue;
        count += 1;
        low = Math.min(low, point.p);
        high = Math.max(high, point.p);
        if (!newest || point.at > newest.at) newest = point;
      }
    }
    return newest ? { count, low, high, newest: newest.p } : null;
  }
}
