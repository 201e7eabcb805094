import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock } from "../../static/js/core/clock.js";
import { Store } from "../../static/js/core/store.js";
import { alert, faces, hello, score, stream, verdict } from "./messages.js";

/** A store that was greeted, and the topics that it tells of from then on. */
function greeted(change) {
  const store = new Store(new ServerClock(() => 100_000));
  store.apply(hello(change));
  const told = [];
  for (const topic of ["streams", "stream:cam", "alerts", "uploads", "stats", "share", "notices"]) {
    store.subscribe(topic, () => told.push(topic));
  }
  return { store, told };
}

test("a greeting fills the store", () => {
  const { store } = greeted({ verdicts: [verdict()], scores: [score()], faces: [faces()], alerts: [alert()] });
  assert.deepEqual(store.streamIds(), ["cam"]);
  assert.equal(store.stream("cam").standing().faceId, 1);
  assert.equal(store.alerts().length, 1);
  assert.equal(store.server.model, "v0");
  assert.equal(store.server.cropScale, 1.3);
  store.apply(hello({ crop_scale: 1.6 }));
  assert.equal(store.server.cropScale, 1.6);
});

test("a second greeting forgets streams and faces that are gone, and keeps the chart", () => {
  const { store } = greeted({ streams: [stream(), stream({ stream_id: "old" })], verdicts: [verdict()], scores: [score()] });
  store.apply(hello());
  assert.deepEqual(store.streamIds(), ["cam"]);
  assert.equal(store.stream("cam").standing(), null);
  assert.deepEqual(store.stream("cam").history.faceIds(), [1]);
});

test("a greeting ends alerts that it does not mention", () => {
  const { store } = greeted({ alerts: [alert()] });
  store.apply(hello());
  assert.equal(store.alerts()[0].over, true);
});

test("the most suspicious face stands for the stream", () => {
  const { store } = greeted();
  store.apply(verdict({ face_id: 1 }));
  store.apply(verdict({ face_id: 2, state: "suspicious" }));
  store.apply(verdict({ face_id: 3, state: "warming up" }));
  assert.deepEqual(store.stream("cam").faces().map((face) => face.faceId), [2, 1, 3]);
});

test("of two equal verdicts the higher score stands for the stream", () => {
  const { store } = greeted();
  for (const [face_id, fake_probability] of [[1, 0.2], [2, 0.3]]) {
    store.apply(verdict({ face_id }));
    store.apply(score({ face_id, fake_probability }));
  }
  assert.equal(store.stream("cam").standing().faceId, 2);
});

test("a face that ended is no longer listed and its alert is over", () => {
  const { store } = greeted({ verdicts: [verdict({ state: "alert" })], alerts: [alert()] });
  store.apply({ type: "face_ended", stream_id: "cam", face_id: 1, at: 101 });
  assert.equal(store.stream("cam").standing(), null);
  assert.equal(store.alerts()[0].over, true);
});

test("a face unseen for long is no longer listed though nobody said that it ended", () => {
  const { store } = greeted({ verdicts: [verdict()] });
  store.apply(faces({ frame_at: 115, faces: [] }));
  assert.equal(store.stream("cam").standing(), null);
});

test("a new generation forgets the faces of the old one", () => {
  const { store } = greeted({ verdicts: [verdict()] });
  store.apply(stream({ generation: 2 }));
  assert.equal(store.stream("cam").standing(), null);
});

test("a removed stream leaves, and messages that come after it are ignored", () => {
  const { store, told } = greeted();
  store.apply(stream({ state: "removed" }));
  store.apply(score());
  assert.deepEqual(store.streamIds(), []);
  assert.deepEqual(told, ["streams"]);
});

test("only those are told whom a change concerns", () => {
  const { store, told } = greeted();
  store.apply(score({ stream_id: "another" }));
  store.apply(score());
  assert.deepEqual(told, ["stream:cam"]);
});

test("a subscription that ended hears nothing more", () => {
  const { store } = greeted();
  let count = 0;
  const end = store.subscribe("stream:cam", () => (count += 1));
  store.apply(score());
  end();
  store.apply(score({ face_at: 101 }));
  assert.equal(count, 1);
});

test("an alert is raised once and then over", () => {
  const { store } = greeted();
  store.apply(alert());
  store.apply(alert({ at: 101, fake_probability: 0.95 }));
  assert.deepEqual(store.alerts().map(({ over, fake_probability }) => [over, fake_probability]), [[false, 0.95]]);
  store.apply(alert({ raised: false, at: 110 }));
  assert.deepEqual(store.alerts().map(({ over }) => over), [true]);
});

test("a picture in trouble is an alert of its stream until it is over, lost or removed", () => {
  const { store, told } = greeted();
  const frozen = { picture: "frozen picture", picture_since: 90 };
  store.apply(stream(frozen));
  assert.deepEqual(store.pictureAlerts().map(({ stream_id, picture }) => [stream_id, picture]), [["cam", "frozen picture"]]);
  store.apply(stream(frozen));
  assert.deepEqual(told.filter((topic) => topic === "alerts"), ["alerts"]);
  store.apply(stream({ ...frozen, state: "lost" }));
  assert.deepEqual(store.pictureAlerts(), []);
  store.apply(stream(frozen));
  store.apply(stream());
  assert.deepEqual(store.pictureAlerts(), []);
  store.apply(stream(frozen));
  store.apply(stream({ ...frozen, state: "removed" }));
  assert.deepEqual(store.pictureAlerts(), []);
  assert.equal(told.filter((topic) => topic === "alerts").length, 6);
});

test("the same picture as yet another stream is another alert", () => {
  const { store, told } = greeted();
  const doubled = { picture: "same picture as another stream", picture_since: 90 };
  store.apply(stream({ ...doubled, picture_same_as: "door" }));
  store.apply(stream({ ...doubled, picture_same_as: "hall" }));
  assert.equal(told.filter((topic) => topic === "alerts").length, 2);
});

test("old alerts are forgotten", () => {
  const { store } = greeted();
  for (let started_at = 0; started_at < 200; started_at += 1) store.apply(alert({ started_at, raised: false }));
  assert.equal(store.alerts().length, 50);
});

test("analysis progress reaches its upload and no other", () => {
  const { store } = greeted();
  const upload = { filename: "a.mp4", bytes: 1, phase: "sending", progress: 1, error: null, report: null };
  store.putUpload({ ...upload, id: "mine" });
  store.putUpload({ ...upload, id: "done", phase: "done" });
  for (const upload_id of ["mine", "done", "unknown"]) store.apply({ type: "upload", upload_id, progress: 0.4, at: 1 });
  assert.deepEqual(store.uploads().map(({ id, phase, progress }) => [id, phase, progress]), [["done", "done", 1], ["mine", "analysing", 0.4]]);
});

test("the same notice is shown once, and no more than four in all", () => {
  const { store } = greeted();
  for (const text of ["a", "a", "b", "c", "d", "e"]) store.notice("error", text);
  assert.deepEqual(store.notices().map(({ text }) => text), ["b", "c", "d", "e"]);
  store.dismiss(store.notices()[0].id);
  assert.deepEqual(store.notices().map(({ text }) => text), ["c", "d", "e"]);
});

test("messages of a type that is not known are ignored", () => {
  const { store, told } = greeted();
  store.apply({ type: "weather", at: 1 });
  store.apply({ type: "pong", at: 1 });
  assert.deepEqual(told, []);
});

test("the server's clock is read with the least delay seen", () => {
  let local = 1000;
  const clock = new ServerClock(() => local * 1000);
  clock.observe(497); // server is 500 s behind, message 3 s late
  assert.equal(clock.now(), 497);
  clock.observe(500);
  clock.observe(499);
  local = 1010;
  assert.equal(clock.now(), 510);
  clock.reset();
  clock.observe(1010);
  assert.equal(clock.now(), 1010);
});
