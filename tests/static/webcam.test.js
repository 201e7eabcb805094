import assert from "node:assert/strict";
import { test } from "node:test";
import { freeStreamId, isStreamId } from "../../static/js/streams/stream-id.js";
import { cameraErrorWords, unavailable } from "../../static/js/streams/webcam.js";

const named = (name) => Object.assign(new Error("x"), { name });

for (const [name, words] of [
  ["NotAllowedError", /was not allowed to use the camera/],
  ["NotFoundError", /No camera was found/],
  ["NotReadableError", /in use by another program/],
  ["OverconstrainedError", /no longer connected/],
  ["SomethingNew", /could not be opened: x/],
]) {
  test(`${name} is said in words`, () => assert.match(cameraErrorWords(named(name)), words));
}

test("what is thrown need not be an error", () => {
  assert.match(cameraErrorWords("no"), /could not be opened: no/);
});

test("a page that is not secure says that https or localhost is needed", () => {
  const page = { isSecureContext: false, navigator: {}, location: { host: "192.0.2.7:8000" } };
  assert.match(unavailable(page), /https.*localhost.*192\.0\.2\.7:8000/);
});

test("a secure page with cameras has nothing to say", () => {
  assert.equal(unavailable({ isSecureContext: true, navigator: { mediaDevices: {} }, location: { host: "a" } }), null);
  assert.match(unavailable({ isSecureContext: true, navigator: {}, location: { host: "a" } }), /no camera access/);
});

test("a name that is taken gets a number", () => {
  assert.equal(freeStreamId("webcam", []), "webcam");
  assert.equal(freeStreamId("webcam", ["webcam", "webcam-2"]), "webcam-3");
});

test("names are what the server takes", () => {
  for (const id of ["a", "cam-1", "A.b_c-9", "x".repeat(64)]) assert.ok(isStreamId(id), id);
  for (const id of ["", "-a", ".a", "a b", "ä", "a/b", "x".repeat(65), "a\n"]) assert.ok(!isStreamId(id), id);
});

test("the pattern is one that browsers accept, which read it with the v flag", async () => {
  const { STREAM_ID_INPUT } = await import("../../static/js/streams/stream-id.js");
  assert.ok(new RegExp(`^(?:${STREAM_ID_INPUT.pattern})$`, "v").test("cam-1"));
});
