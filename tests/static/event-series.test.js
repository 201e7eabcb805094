import assert from "node:assert/strict";
import { test } from "node:test";
import { chartWords, continued, linesOf, marksOf, nearestTo, parseSeries, placeLabels, spanOf } from "../../static/js/events/event-series.js";
import { event } from "./messages.js";

const HEAD = '{"series": 1, "stream_id": "cam", "sensitivity": "balanced", "until": 120.0}';
const file = (...lines) => [HEAD, ...lines, ""].join("\n");
const scored = (t, logit, face = 3) => JSON.stringify({ t, face, filled: 16, logit });

test("logits become probabilities, by time, of one face", () => {
  const { points, damaged } = parseSeries(file(scored(101, 800), scored(100, 0), scored(100.5, 2, 4)), 3);
  assert.deepEqual(points, [{ at: 100, p: 0.5 }, { at: 101, p: 1 }]);
  assert.equal(damaged, 0);
  assert.equal(parseSeries(file(scored(1, 0, 1), scored(2, 0, 2)), null).points.length, 2);
});

test("what is no score leaves a gap and is no damage", () => {
  const text = file('{"t": 1, "face": 3, "filled": 4}', '{"t": 2, "face": 3, "unfit": "blurred"}', '{"t": 3, "face": 3, "ended": true}');
  assert.deepEqual(parseSeries(text, 3), { points: [], damaged: 0 });
});

test("infinite logits have a probability, what is no number has none", () => {
  const { points, damaged } = parseSeries(file(scored(1, "inf"), scored(2, "-inf"), scored(3, "nan"), scored(4, null), scored(5, 1e300)), 3);
  assert.deepEqual(points.map(({ p }) => p), [1, 0]);
  assert.equal(damaged, 3);
});

test("a file that is cut off or damaged gives what can be read", () => {
  const text = `${file(scored(1, 0), "[1, 2]", "null", '{"t": "x", "logit": 1, "face": 3}', '{"t": NaN}', scored(2, 0))}{"t": 3, "fac`;
  const { points, damaged } = parseSeries(text, 3);
  assert.deepEqual(points.map(({ at }) => at), [1, 2]);
  assert.equal(damaged, 5);
  assert.deepEqual(parseSeries("", 3), { points: [], damaged: 0 });
  assert.equal(parseSeries("\ufffd\ufffd<html>", 3).damaged, 1);
});

test("a file without its head still has its scores", () => {
  assert.equal(parseSeries(scored(1, 0), 3).points.length, 1);
});

test("scores that are heard go on where the file ends", () => {
  const point = (at) => ({ at, p: 0.5 });
  assert.deepEqual(continued([point(1), point(2)], [point(1.5), point(2), point(3)]).map(({ at }) => at), [1, 2, 3]);
  assert.deepEqual(continued([], [point(1)]).length, 1);
});

test("a line breaks where nothing was scored", () => {
  const lines = linesOf([0, 1, 2, 6, 7].map((at) => ({ at, p: 0.5 })));
  assert.deepEqual(lines.map((line) => line.map(({ at }) => at)), [[0, 1, 2], [6, 7]]);
  assert.deepEqual(linesOf([]), []);
});

test("start, peak and end are marked, as far as they are known", () => {
  assert.deepEqual(marksOf(event()).map(({ name, p }) => [name, p]), [["start", null], ["peak", 0.93], ["end", null]]);
  assert.deepEqual(marksOf(event({ ended_at: null, peak_at: null })).map(({ name }) => name), ["start"]);
  // a window that was scored before the alert may be the highest
  assert.equal(marksOf(event({ peak_at: 1_789_999_999 }))[0].name, "peak");
});

test("a chart has room for all scores and all marks", () => {
  const { from, to } = spanOf([{ at: 90, p: 0 }, { at: 110, p: 0 }], [{ at: 100 }, { at: 190 }]);
  assert.deepEqual([from, to], [87, 193]);
  const single = spanOf([], [{ at: 100 }]);
  assert.deepEqual(single, { from: 99.5, to: 100.5 });
});

test("a moment is read from the score nearest to it, not from one across a gap", () => {
  const points = [{ at: 0, p: 0.1 }, { at: 10, p: 0.2 }];
  assert.equal(nearestTo(points, 9).p, 0.2);
  assert.equal(nearestTo(points, 5), null);
  assert.equal(nearestTo([], 5), null);
});

test("names of marks that would lie on one another stand on lines of their own, within the chart and beside their lines", () => {
  const places = placeLabels([{ x: 10, width: 30 }, { x: 20, width: 30 }, { x: 60, width: 30 }, { x: 99, width: 30 }], 100);
  assert.deepEqual(places, [{ x: 13, row: 0 }, { x: 23, row: 1 }, { x: 63, row: 0 }, { x: 66, row: 1 }]);
});

test("a chart is told in words", () => {
  const words = chartWords(event(), [{ at: 1_789_999_995, p: 0.2 }, { at: 1_790_000_010, p: 0.9 }]);
  for (const part of ["2 scores over 15 s, lowest 20 %, highest 90 %", "start at ", "peak at ", " with 93 %", "end at ", "threshold is 50 %"]) assert.ok(words.includes(part), words);
  assert.match(chartWords(event({ peak_at: null, ended_at: null }), []), /^Scores: no scores; start at [^;]*; the threshold/);
});
