import assert from "node:assert/strict";
import { test } from "node:test";
import { boxLabel, contain, labelPlace } from "../../static/js/streams/face-boxes.js";
import { StreamRecord } from "../../static/js/streams/stream-record.js";
import { face, score, stream, verdict } from "./messages.js";

const room = { width: 320, height: 180 };

function recordWith(...messages) {
  const record = new StreamRecord(stream());
  for (const message of messages) message.type === "score" ? record.applyScore(message) : record.applyVerdict(message);
  return record;
}

test("a picture fills its room as far as its shape lets it, in the middle", () => {
  assert.deepEqual(contain({ width: 640, height: 360 }, room), { x: 0, y: 0, scale: 0.5 });
  assert.deepEqual(contain({ width: 360, height: 360 }, room), { x: 70, y: 0, scale: 0.5 });
});

test("a label has the verdict's word and the score", () => {
  const record = recordWith(verdict({ state: "suspicious" }), score({ fake_probability: 0.71 }));
  assert.deepEqual(boxLabel(face(), record), { text: "Face 1 · suspicious 71 %", tone: "suspicious" });
});

test("a label counts while warming up", () => {
  assert.equal(boxLabel(face(), recordWith(verdict({ state: "warming up", filled: 3 }))).text, "Face 1 · warming up 3/16");
});

test("a label says why there is no score, and shows none then", () => {
  const record = recordWith(score(), verdict({ state: "not scored", reason: "too dark" }));
  assert.equal(boxLabel(face(), record).text, "Face 1 · too dark");
  const unfit = face({ quality: { ...face().quality, fit: false, reason: "blurred" } });
  assert.equal(boxLabel(unfit, null).text, "Face 1 · blurred");
});

test("a face that nothing is known of has its name", () => {
  assert.deepEqual(boxLabel(face({ face_id: 9 }), null), { text: "Face 9", tone: "neutral" });
});

test("labels stay inside the picture", () => {
  for (const [left, top] of [[-50, -50], [310, 170], [100, 0]]) {
    const place = labelPlace({ left, top, width: 60, height: 60 }, 120, room, []);
    assert.ok(place.left >= 0 && place.top >= 0 && place.left + place.width <= 320 && place.top + place.height <= 180);
  }
});

test("labels of neighbours do not cover each other", () => {
  const first = labelPlace({ left: 60, top: 60, width: 50, height: 50 }, 140, room, []);
  const second = labelPlace({ left: 130, top: 60, width: 50, height: 50 }, 140, room, [first]);
  assert.ok(second.top >= first.top + first.height || second.top + second.height <= first.top);
});
