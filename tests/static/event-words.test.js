import assert from "node:assert/strict";
import { test } from "node:test";
import { eventLength, eventTitle, kindView, lengthWords, markView, noPicturesWords, rulesWords, sourceWords, stateView, utcTime, whatWords } from "../../static/js/events/event-words.js";
import { deadWords, failingWords, storageWords } from "../../static/js/core/format.js";
import { event } from "./messages.js";

test("an event is named by what happened, where, and to whom", () => {
  assert.equal(eventTitle(event({ stream_id: "door" })), "Suspected manipulation, stream door, face 3");
  assert.equal(eventTitle(event({ kind: "black picture", face_id: null })), "Black picture, stream cam");
  const doubled = event({ kind: "same picture as another stream", face_id: null, same_as: "hall" });
  assert.equal(whatWords(doubled), "Same picture as hall");
  assert.equal(eventTitle(doubled), "Same picture as hall, stream cam");
});

test("words of a newer server are shown as they are", () => {
  assert.equal(kindView("melted picture").words, "Melted picture");
  assert.equal(stateView("paused").words, "Paused");
  assert.equal(markView("constructor").words, "Constructor");
  assert.equal(markView(null).words, "Not marked");
});

test("every word has a shape of its own beside its colour", () => {
  const kinds = ["suspected manipulation", "black picture", "frozen picture", "looped picture", "same picture as another stream"];
  assert.equal(new Set(kinds.map((kind) => kindView(kind).icon)).size, kinds.length);
  assert.equal(new Set(["open", "ended", "interrupted"].map((state) => stateView(state).icon)).size, 3);
  assert.equal(new Set([null, "confirmed", "false alarm", "unsure"].map((mark) => markView(mark).icon)).size, 4);
});

test("a length is told in the two units that matter", () => {
  const told = [[-5, "0 s"], [0.4, "0 s"], [59.4, "59 s"], [59.6, "1 min 0 s"], [75, "1 min 15 s"], [3599.6, "1 h 0 min"], [7500, "2 h 5 min"], [200_000, "2 days 7 h"]];
  for (const [seconds, words] of told) assert.equal(lengthWords(seconds), words);
});

test("an event that goes on is told as long as it has gone on", () => {
  assert.equal(eventLength(event(), 1_790_009_999), "20 s");
  assert.equal(eventLength(event({ ended_at: null }), 1_790_000_090), "1 min 30 s so far");
});

test("times have their UTC beside them", () => {
  assert.equal(utcTime(1_790_000_000.9), "2026-09-21 14:13:20 UTC");
});

test("rules are told in per cent", () => {
  const words = rulesWords(event().rules);
  for (const part of ["Sensitivity balanced", "above 56 %", "2.5 of it", "below 41 %"]) assert.ok(words.includes(part), words);
});

test("the source is told with its address, if it has one", () => {
  assert.equal(sourceWords(event()), "Camera (RTSP), rtsp://operator:***@camera.example/door");
  assert.equal(sourceWords(event({ source_kind: "webrtc", source_url: null })), "Webcam (WebRTC)");
  assert.equal(sourceWords(event({ source_kind: "", source_url: null })), "");
});

test("why there are no pictures is told", () => {
  assert.match(noPicturesWords(event({ private: true, state: "open" })), /private/);
  assert.match(noPicturesWords(event({ state: "open" })), /will appear here/);
  assert.match(noPicturesWords(event()), /no pictures/);
});

test("storage trouble is told with its reason, once", () => {
  assert.equal(storageWords({ storage: "the disk is full. " }), "What happens now is not being stored: the disk is full; scoring goes on.");
  for (const stats of [null, {}, { storage: null }]) assert.equal(storageWords(stats), "");
});

test("notifications that do not get through are told, a few by name", () => {
  const failing = (...texts) => failingWords({ notifications: { failing: texts, dead: 0 } });
  assert.equal(failing("rule a: it answered 503"), "People may not be told of alerts: rule a: it answered 503. They are sent again later.");
  assert.equal(failing("a", "b", "c", "d", "e"), "People may not be told of alerts: a; b; c; and 2 more. They are sent again later.");
  for (const stats of [null, {}, { notifications: null }, { notifications: { failing: [], dead: 2 } }]) assert.equal(failingWords(stats), "");
});

test("notifications that were given up are counted", () => {
  assert.equal(deadWords(0), "");
  assert.match(deadWords(1), /^1 notification was given up .* lists it\.$/);
  assert.match(deadWords(2), /^2 notifications were given up .* lists them\.$/);
});
