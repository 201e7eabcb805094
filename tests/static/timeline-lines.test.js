import assert from "node:assert/strict";
import { test } from "node:test";
import { peakPoints, timelineLines } from "../../static/js/charts/timeline-lines.js";

const window = (face_id, start_s, end_s, fake_probability = 0.1) => ({ face_id, start_s, end_s, fake_probability });

test("overlapping windows are one line, others are not joined", () => {
  const lines = timelineLines([window(1, 0, 2), window(1, 1, 3), window(1, 5, 7)]).get(1);
  assert.deepEqual(lines.map((line) => line.map(({ at }) => at)), [[1, 2], [6]]);
});

test("faces have lines of their own, whatever the order", () => {
  const lines = timelineLines([window(2, 4, 6), window(1, 1, 3), window(1, 0, 2)]);
  assert.deepEqual([...lines.keys()].sort(), [1, 2]);
  assert.deepEqual(lines.get(1).flat().map(({ at }) => at), [1, 2]);
});

test("a video without windows has no lines", () => {
  assert.equal(timelineLines([]).size, 0);
});

test("a peak stands in the middle of its window, on its face's line", () => {
  const timeline = [window(1, 0, 2, 0.1), window(1, 1, 3, 0.9), window(2, 1, 3, 0.4)];
  const faces = [{ face_id: 1, peak: { at_s: 3 } }, { face_id: 2, peak: null }, { face_id: 3 }, { face_id: 4, peak: { at_s: 9 } }];
  assert.deepEqual(peakPoints({ faces, timeline }), [{ faceId: 1, at: 2, p: 0.9 }]);
});
