import assert from "node:assert/strict";
import { test } from "node:test";
import { parseViewMessage } from "../../static/js/core/view-socket.js";
import { faces } from "./messages.js";

/** A view message as the server packs it. */
function pack(header, jpeg, length) {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(4 + text.length + jpeg.length);
  new DataView(bytes.buffer).setUint32(0, length ?? text.length);
  bytes.set(text, 4);
  bytes.set(jpeg, 4 + text.length);
  return bytes.buffer;
}

test("a view message is its header and its picture", () => {
  const { header, jpeg } = parseViewMessage(pack(JSON.stringify(faces()), [0xff, 0xd8, 1, 2]));
  assert.equal(header.frame_index, 5);
  assert.deepEqual([...jpeg], [0xff, 0xd8, 1, 2]);
});

for (const [name, buffer, error] of [
  ["an empty message", new ArrayBuffer(0), RangeError],
  ["a message of three bytes", new ArrayBuffer(3), RangeError],
  ["a header longer than its message", pack("{}", [], 3), RangeError],
  ["a header of 4 GB", pack("{}", [], 0xffffffff), RangeError],
  ["a header that is no JSON", pack("{", []), SyntaxError],
]) {
  test(`${name} is refused`, () => assert.throws(() => parseViewMessage(buffer), error));
}
