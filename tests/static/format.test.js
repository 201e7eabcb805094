import assert from "node:assert/strict";
import { test } from "node:test";
import {
  age,
  bytes,
  connectionWords,
  counted,
  degradedWords,
  droppedWords,
  duration,
  notScoredWords,
  percent,
  rarityWords,
  SCORE_MEANING,
  scoreMeaning,
  streamFacts,
  pictureTrouble,
  streamState,
  verdictView,
  videoVerdict,
} from "../../static/js/core/format.js";
import { stream, verdict } from "./messages.js";

test("every verdict has words, an icon and a tone of its own", () => {
  const states = ["alert", "suspicious", "uncertain", "no sign of manipulation", "warming up", "not scored"];
  const views = states.map((state) => verdictView(verdict({ state, filled: 7 })));
  for (const part of ["words", "icon", "tone", "rank"]) assert.equal(new Set(views.map((view) => view[part])).size, states.length, part);
});

test("verdicts are ranked from the most suspicious down", () => {
  const states = ["alert", "suspicious", "uncertain", "no sign of manipulation", "warming up", "not scored"];
  const ranks = states.map((state) => verdictView(verdict({ state })).rank);
  assert.deepEqual(ranks, [...ranks].sort((a, b) => b - a));
});

test("warming up counts the faces", () => {
  assert.equal(verdictView(verdict({ state: "warming up", filled: 7 })).words, "Warming up 7/16");
});

test("not scored says why", () => {
  assert.equal(verdictView(verdict({ state: "not scored", reason: "too small" })).words, "Not scored: too small");
  assert.equal(verdictView(verdict({ state: "not scored", reason: "no trained weights" })).words, "Not scored: no trained weights");
});

test("a verdict of a newer server is not taken for a known one", () => {
  assert.equal(verdictView(verdict({ state: "constructor" })).state, "none");
});

test("no words call a face real", () => {
  const words = [videoVerdict(true).words, videoVerdict(false).words, verdictView(verdict({})).words].join(" ");
  assert.doesNotMatch(words, /\b(real|authentic|genuine|fake)\b/i);
  assert.equal(videoVerdict(false).words, "Nothing suspicious found");
});

test("nothing found has no tone of approval", () => {
  assert.deepEqual([videoVerdict(false).tone, verdictView(verdict({})).tone], ["nothing", "nothing"]);
});

test("how rare a score is among real faces is told where the server knows", () => {
  const told = [0, 0.958, 0.99, 0.997, 1].map((percentile) => rarityWords(percentile).match(/material (.*) this high\.$/)?.[1]);
  assert.deepEqual(told, ["100 score", "4 score", "1 scores", "fewer than 1 scores", "fewer than 1 scores"]);
  for (const unknown of [null, undefined, NaN, -1, 2, /** @type {any} */ ("0.5")]) assert.equal(rarityWords(unknown), "");
});

test("a score's meaning begins with how rare it is, where that is known", () => {
  assert.equal(scoreMeaning(""), SCORE_MEANING);
  assert.ok(scoreMeaning(rarityWords(0.5)).startsWith("Of 100 windows of real faces"));
});

test("percent never rounds a score over the threshold", () => {
  assert.equal(percent(0.4999), "49 %");
  assert.equal(percent(0.5), "50 %");
  assert.equal(percent(0), "0 %");
  assert.equal(percent(1), "100 %");
});

test("percent of nothing is a dash", () => {
  for (const nothing of [null, undefined, Number.NaN, Infinity]) assert.equal(percent(nothing), "–");
});

test("a lost stream says why and when it is tried again", () => {
  const lost = stream({ state: "lost", message: "wrong password", retry_in_s: 8, at: 100 });
  assert.deepEqual(streamState(lost, 103.5), { short: "Lost", tone: "suspicious", detail: "Wrong password; retry in 5 s" });
  assert.equal(streamState(lost, 109).detail, "Wrong password; trying again");
});

test("a lost stream without a message has its kind of error in words", () => {
  const lost = stream({ state: "lost", error_kind: "not found", message: null, at: 100 });
  assert.equal(streamState(lost, 100).detail, "No such stream on the host");
});

test("a live stream has nothing to explain", () => {
  assert.equal(streamState(stream({ state: "live" }), 100).detail, "");
});

test("facts leave out what is not known", () => {
  assert.equal(streamFacts(stream({ kind: "rtsp", width: 1280, height: 720, fps: 24.97 })), "RTSP · 1280 × 720 · 25 fps");
  assert.equal(streamFacts(stream({ kind: "webrtc", width: null, height: null, fps: null })), "Webcam");
});

test("ages, durations, sizes and counts read well", () => {
  assert.deepEqual([-1, 0.34, 42.9, 61, 7300].map(age), ["0.0 s ago", "0.3 s ago", "42 s ago", "1 min ago", "2 h ago"]);
  assert.deepEqual([0, 75.2, 3661].map(duration), ["0:00", "1:15", "1:01:01"]);
  assert.deepEqual([0, 3000, 3e6, 2.5e9].map(bytes), ["0 B", "3 kB", "3.0 MB", "2.50 GB"]);
  assert.deepEqual([counted(1, "stream"), counted(1200, "score")], ["1 stream", "1,200 scores"]);
});

test("the connection counts down to its next try", () => {
  const lost = { state: "lost", retryAtMs: 5000, regained: false, sinceMs: 0 };
  assert.equal(connectionWords(lost, 1500), "Connection lost, retrying in 4 s");
  assert.equal(connectionWords(lost, 6000), "Connection lost, retrying…");
});

test("a regained connection is told for a few seconds", () => {
  const connected = { state: "connected", retryAtMs: null, regained: true, sinceMs: 1000 };
  assert.equal(connectionWords(connected, 2000), "Connection regained");
  assert.equal(connectionWords(connected, 60_000), "Connected");
});

test("degraded without weights says that nothing is scored", () => {
  assert.match(degradedWords("untrained"), /^No trained weights: .*nothing is scored/);
  assert.match(degradedWords("v0"), /a part of it has stopped/);
});

test("drops are summed and explained by cause", () => {
  assert.deepEqual(droppedWords({ dropped: { stale: 3, replaced: 1041, other: 0, frame_replaced: 900 } }), ["1,044", "stale 3, replaced 1,041"]);
  assert.deepEqual(droppedWords(null), ["", ""]);
});

test("reasons for pictures that were not scored are counted", () => {
  assert.equal(notScoredWords({ blurred: 12, "too small": 0 }), "12 blurred");
  assert.equal(notScoredWords({}), "none");
});

test("trouble with pictures names the stream that shows the same", () => {
  assert.equal(pictureTrouble({ picture: "looped picture", picture_same_as: null }), "looped picture");
  assert.equal(pictureTrouble({ picture: null, picture_same_as: null }), "");
  const doubled = stream({ state: "live", picture: "same picture as another stream", picture_same_as: "hall" });
  const { short, tone, detail } = streamState(doubled, 100);
  assert.deepEqual([short, tone], ["Same picture as hall", "alert"]);
  assert.match(detail, /Two streams show the same video/);
  for (const picture of ["black picture", "frozen picture", "looped picture"]) {
    assert.match(streamState(stream({ ...doubled, picture, picture_same_as: null }), 100).detail, /\?$/);
  }
});
