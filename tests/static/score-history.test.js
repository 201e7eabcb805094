import assert from "node:assert/strict";
import { test } from "node:test";
import { ScoreHistory } from "../../static/js/charts/score-history.js";

test("lines break where nothing was scored", () => {
  const history = new ScoreHistory();
  for (const at of [0, 1, 2, 10, 11]) history.add(1, at, 0.1);
  assert.deepEqual(history.lines(1, 0).map((line) => line.map(({ at }) => at)), [[0, 1, 2], [10, 11]]);
  assert.deepEqual(history.lines(1, 1).map((line) => line.length), [2, 2]);
  assert.deepEqual(history.lines(2, 0), []);
});

test("scores that come twice or late are taken once and in order", () => {
  const history = new ScoreHistory();
  for (const at of [5, 5, 4, 6]) history.add(1, at, 0.1);
  assert.deepEqual(history.lines(1, 0).flat().map(({ at }) => at), [5, 6]);
});

test("older scores from the server go before those that came since", () => {
  const history = new ScoreHistory();
  history.add(1, 3, 0.3);
  history.merge([2, 1, 3].map((at) => ({ face_id: 1, face_at: at, fake_probability: at / 10 })));
  assert.deepEqual(history.lines(1, 0).flat().map(({ at }) => at), [1, 2, 3]);
});

test("what is too old is forgotten, and faces with it", () => {
  const history = new ScoreHistory();
  history.add(1, 0, 0.1);
  history.add(2, 400, 0.1);
  history.prune(500);
  assert.deepEqual(history.faceIds(), [2]);
});

test("points and faces are bounded", () => {
  const history = new ScoreHistory();
  for (let at = 0; at < 5000; at += 1) history.add(1, at / 100, 0.1);
  assert.equal(history.lines(1, 0).flat().length, 3600);
  for (let faceId = 2; faceId < 40; faceId += 1) history.add(faceId, 100 + faceId, 0.1);
  assert.equal(history.faceIds().length, 16);
  assert.equal(history.faceIds().at(-1), 39);
});

test("a moment is read from the nearest score of each face", () => {
  const history = new ScoreHistory();
  history.add(1, 10, 0.1);
  history.add(1, 11, 0.2);
  history.add(2, 20, 0.9);
  assert.deepEqual(history.at(10.8), [{ faceId: 1, at: 11, p: 0.2 }]);
  assert.deepEqual(history.at(15), []);
});

test("the summary covers all faces of the span", () => {
  const history = new ScoreHistory();
  assert.equal(history.summary(0), null);
  history.add(1, 1, 0.9);
  history.add(1, 10, 0.4);
  history.add(2, 11, 0.2);
  assert.deepEqual(history.summary(5), { count: 2, low: 0.2, high: 0.4, newest: 0.2 });
});
