import assert from "node:assert/strict";
import { test } from "node:test";
import { errorFrom, randomId, request, socketUrl } from "../../static/js/core/api.js";

test("the server's own words are kept as they are", () => {
  const error = errorFrom(409, JSON.stringify({ error: { code: "conflict", message: "The id “cam” is taken." } }));
  assert.deepEqual([error.status, error.code, error.message], [409, "conflict", "The id “cam” is taken."]);
});

for (const [name, body] of [
  ["a proxy's page", "<html>Bad gateway</html>"],
  ["nothing", ""],
  ["another JSON", '{"detail":"no"}'],
  ["an empty message", '{"error":{"code":"x","message":""}}'],
  ["null", "null"],
]) {
  test(`${name} instead of an error still gives words`, () => {
    assert.equal(errorFrom(502, body).message, "The server answered with status 502 and no reason.");
  });
}

test("a server that is not there is said to be unreachable", async () => {
  globalThis.fetch = () => Promise.reject(new TypeError("fetch failed"));
  await assert.rejects(request("/x"), { status: 0, message: "The server cannot be reached." });
});

test("websockets follow the page's security", () => {
  assert.equal(socketUrl("/ws/live", { protocol: "https:", host: "a:1" }), "wss://a:1/ws/live");
  assert.equal(socketUrl("/ws/live", { protocol: "http:", host: "a:1" }), "ws://a:1/ws/live");
});

test("ids are UUIDs with and without the browser's help", () => {
  const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(randomId(), pattern);
  const helper = crypto.randomUUID;
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  try {
    assert.match(randomId(), pattern);
    assert.notEqual(randomId(), randomId());
  } finally {
    Object.defineProperty(crypto, "randomUUID", { value: helper, configurable: true });
  }
});
