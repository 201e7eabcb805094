/** @import { TimelinePoint, VideoReport } from "../core/types.js" */

/**
 * Each window becomes a point at its middle; windows that neither overlap nor touch are not joined.
 *
 * @param {readonly TimelinePoint[]} timeline
 */
export function timelineLines(timeline) {
  /** @type {Map<number, { at: number, p: number, reach: number }[][]>} */
  const faces = new Map();
  /** @type {Map<number, number>} */
  const ends = new Map();
  for (const window of [...timeline].sort((a, b) => a.start_s - b.start_s)) {
    const lines = faces.get(window.face_id) ?? [];
    if (window.start_s > (ends.get(window.face_id) ?? -Infinity)) lines.push([]);
    const reach = Math.max(0.05, (window.end_s - window.start_s) / 2);
    lines.at(-1)?.push({ at: (window.start_s + window.end_s) / 2, p: window.fake_probability, reach });
    faces.set(window.face_id, lines);
    ends.set(window.face_id, window.end_s);
  }
  return faces;
}

/**
 * Where each face's most suspicious window stands among the points of `timelineLines`.
 *
 * @param {Pick<VideoReport, "faces" | "timeline">} report
 */
export function peakPoints({ faces, timeline }) {
  return faces.flatMap(({ face_id: faceId, peak }) => {
    const window = peak && timeline.find((point) => point.face_id === faceId && point.end_s === peak.at_s);
    return window ? [{ faceId, at: (window.start_s + window.end_s) / 2, p: window.fake_probability }] : [];
  });
}
