import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveSocket } from "../../static/js/core/live-socket.js";
import { LIVE_RETRY_PAUSES_S, retryPauseMs } from "../../static/js/core/retry.js";
import { Store } from "../../static/js/core/store.js";
import { hello } from "./messages.js";

/** A browser in which time passes when the test says so. */
class HandHost {
  sockets = [];
  timers = new Map();
  now = 0;
  #count = 0;

  open = (url) => {
    const socket = { url, closed: false, close: () => (socket.closed = true) };
    this.sockets.push(socket);
    return socket;
  };
  later = (run, ms) => {
    this.#count += 1;
    this.timers.set(this.#count, { run, at: this.now + ms });
    return this.#count;
  };
  cancel = (timer) => this.timers.delete(timer);
  nowMs = () => this.now;
  random = () => 0.5;

  pass(ms) {
    this.now += ms;
    for (const [id, timer] of [...this.timers]) {
      if (timer.at > this.now) continue;
      this.timers.delete(id);
      timer.run();
    }
  }

  get socket() {
    return this.sockets.at(-1);
  }

  greet() {
    this.socket.onmessage({ data: JSON.stringify(hello()) });
  }
}

function connected() {
  const host = new HandHost();
  const store = new Store();
  const live = new LiveSocket("ws://here/ws/live", store, host);
  host.greet();
  return { host, store, live };
}

test("a greeting, not an open socket, makes a connection", () => {
  const host = new HandHost();
  const store = new Store();
  new LiveSocket("ws://here/ws/live", store, host);
  assert.equal(store.connection.state, "connecting");
  host.greet();
  assert.equal(store.connection.state, "connected");
  assert.equal(store.connection.regained, false);
});

test("a lost connection is tried again with growing pauses and told as regained", () => {
  const { host, store } = connected();
  for (const pause of [1000, 2000, 4000]) {
    host.socket.onclose();
    assert.deepEqual([store.connection.state, store.connection.retryAtMs], ["lost", host.now + pause]);
    host.pass(pause);
  }
  assert.equal(host.sockets.length, 4);
  host.greet();
  assert.deepEqual([store.connection.state, store.connection.regained], ["connected", true]);
  host.socket.onclose();
  assert.equal(store.connection.retryAtMs, host.now + 1000); // the pauses begin anew
});

test("silence is a lost connection", () => {
  const { host, store } = connected();
  const silent = host.socket;
  host.pass(8000);
  assert.equal(store.connection.state, "lost");
  assert.equal(silent.closed, true);
});

test("messages keep the connection", () => {
  const { host, store } = connected();
  for (let second = 0; second < 20; second += 2) {
    host.pass(2000);
    host.socket.onmessage({ data: '{"v":1,"type":"pong","at":1}' });
  }
  assert.equal(store.connection.state, "connected");
});

test("a server that never greets is given up", () => {
  const host = new HandHost();
  const store = new Store();
  new LiveSocket("ws://here/ws/live", store, host);
  host.pass(8000);
  assert.equal(store.connection.state, "lost");
});

test("garbage is not a message and harms nothing", () => {
  const { host, store } = connected();
  host.socket.onmessage({ data: "{" });
  host.socket.onmessage({ data: "[]" });
  assert.equal(store.connection.state, "connected");
});

test("a second greeting on the same connection is not a regained one", () => {
  const { host, store } = connected();
  host.greet();
  assert.equal(store.connection.regained, false);
});

test("the operator can retry at once", () => {
  const { host, live } = connected();
  host.socket.onclose();
  live.retryNow();
  live.retryNow();
  assert.equal(host.sockets.length, 2);
});

test("an old socket that closes late changes nothing", () => {
  const { host, store, live } = connected();
  const old = host.socket;
  old.onclose();
  live.retryNow();
  host.greet();
  old.onclose();
  old.onmessage({ data: "{}" });
  assert.equal(store.connection.state, "connected");
});

test("close leaves no timer and no socket behind", () => {
  for (const lose of [false, true]) {
    const { host, live } = connected();
    if (lose) host.socket.onclose();
    live.close();
    assert.equal(host.timers.size, 0);
    live.retryNow();
    assert.equal(host.sockets.length, 1);
  }
});

test("pauses grow to the last one and stay within the jitter", () => {
  const longest = LIVE_RETRY_PAUSES_S.at(-1) * 1000;
  assert.equal(retryPauseMs(LIVE_RETRY_PAUSES_S, 0, () => 0), 800);
  assert.equal(retryPauseMs(LIVE_RETRY_PAUSES_S, 0, () => 1), 1200);
  assert.equal(retryPauseMs(LIVE_RETRY_PAUSES_S, 1000, () => 0.5), longest);
});
