import assert from "node:assert/strict";
import { test } from "node:test";
import { cutOut, drawMap, freshMaps, mapOf, mapWords, pictureScores, stripWords } from "../../static/js/streams/evidence.js";
import { StreamRecord } from "../../static/js/streams/stream-record.js";
import { evidence, face, faces, score, stream } from "./messages.js";

const rows = (value) => Array.from({ length: 7 }, () => Array(7).fill(value));

test("a map is 7 rows of 7 between 0 and 100, or none", () => {
  assert.deepEqual(mapOf(evidence()), evidence().where);
  for (const where of [undefined, null, [], rows(0).slice(1), rows(101), rows(-1), rows(NaN), rows(null).map(() => [1]), "map", [[{}]]]) {
    assert.equal(mapOf(evidence({ where })), null, JSON.stringify(where));
  }
  assert.equal(mapOf(null), null);
  assert.equal(mapOf(undefined), null);
});

test("each picture's score is the sigmoid of what it counted", () => {
  const scores = pictureScores(evidence({ counted: [0, ...Array(14).fill(-800), 800] }));
  assert.equal(scores.length, 16);
  assert.deepEqual([scores[0], scores[1], scores[15]], [0.5, 0, 1]);
});

test("without 16 finite numbers there is no strip", () => {
  for (const counted of [undefined, [], Array(15).fill(0), [...Array(15).fill(0), NaN], [...Array(15).fill(0), null], "0".repeat(16)]) {
    assert.equal(pictureScores(evidence({ counted })), null, JSON.stringify(counted));
  }
  assert.equal(pictureScores(null), null);
});

test("a strip is told in words", () => {
  assert.equal(
    stripWords([...Array(13).fill(0.1), 0.5, 0.9, 0.2]),
    "Picture by picture: 2 of 16 at or above the threshold, lowest 10 %, highest 90 %, newest 20 %",
  );
});

test("a map is told by its highest cell", () => {
  const at = (row, column) => rows(10).map((cells, y) => cells.map((cell, x) => (y === row && x === column ? 64 : cell)));
  assert.equal(mapWords(at(6, 3)), "most in the lower centre of the cut-out (64 of 100)");
  assert.equal(mapWords(at(3, 3)), "most in the middle of the cut-out (64 of 100)");
  assert.equal(mapWords(at(0, 6)), "most in the upper right of the cut-out (64 of 100)");
  assert.equal(mapWords(at(3, 0)), "most in the middle left of the cut-out (64 of 100)");
});

test("a map lies over the square that was cut out", () => {
  assert.deepEqual(cutOut([100, 50, 80, 100], 1.3), { left: 75, top: 35, side: 130 });
});

function recordWith(...messages) {
  const record = new StreamRecord(stream());
  for (const message of messages) record.applyScore(message);
  return record;
}

test("a map is drawn only on frames near to its own, of the same connection, of a face that is fit", () => {
  const record = recordWith(score({ evidence: evidence() }));
  assert.equal(freshMaps(faces(), record).length, 1);
  assert.deepEqual(freshMaps(faces({ frame_at: 101.5 }), record), []);
  assert.deepEqual(freshMaps(faces({ generation: 2 }), record), []);
  const unfit = face({ quality: { ...face().quality, fit: false, reason: "blurred" } });
  assert.deepEqual(freshMaps(faces({ faces: [unfit] }), record), []);
});

test("a score without evidence, a face without a score and a stream that is gone have no map", () => {
  assert.deepEqual(freshMaps(faces(), recordWith(score())), []);
  assert.deepEqual(freshMaps(faces(), recordWith(score({ evidence: null }))), []);
  assert.deepEqual(freshMaps(faces(), recordWith()), []);
  assert.deepEqual(freshMaps(faces(), null), []);
});

test("a drawn map has 49 cells as opaque as their values, and outlines the highest", () => {
  const filled = [];
  const outlined = [];
  const draw = {
    save() {},
    restore() {},
    fillRect(...place) {
      filled.push([this.fillStyle, ...place]);
    },
    strokeRect(...place) {
      outlined.push(place);
    },
  };
  drawMap(draw, rows(0).map((cells, y) => cells.map((_, x) => (y === 2 && x === 5 ? 100 : 0))), 10, 20, 70);
  assert.equal(filled.length, 49);
  assert.deepEqual(filled[2 * 7 + 5], ["rgba(92, 184, 255, 0.75)", 60, 40, 10, 10]);
  assert.deepEqual(filled[0], ["rgba(92, 184, 255, 0)", 10, 20, 10, 10]);
  assert.deepEqual(outlined, [[60.5, 40.5, 9, 9], [60.5, 40.5, 9, 9], [10, 20, 70, 70]]);
});
