import assert from "node:assert/strict";
import { test } from "node:test";
import { timelineLines } from "../../static/js/timeline-lines.js";

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
