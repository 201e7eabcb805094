import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Store } from "../../static/js/core/store.js";
import { WebcamShare } from "../../static/js/streams/webcam-share.js";

/** As much of a peer connection as publishing needs; the test says how it fares. */
class FakePeer {
  static all = [];
  connectionState = "new";
  iceGatheringState = "complete";
  closed = false;
  localDescription = null;

  constructor(configuration) {
    this.configuration = configuration;
    FakePeer.all.push(this);
  }

  addTransceiver(track, options) {
    this.options = options;
    return { sender: { getParameters: () => ({ encodings: [{}] }), setParameters: async (set) => (this.parameters = set) } };
  }

  async createOffer() {
    return { type: "offer", sdp: "v=0 offer" };
  }

  async setLocalDescription(description) {
    this.localDescription = description;
  }

  async setRemoteDescription(description) {
    this.remote = description;
  }

  close() {
    this.closed = true;
  }

  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange();
  }
}

/** The server: answers by method, and remembers what it was asked. */
class FakeServer {
  asked = [];
  refusal = null;
  /** Offers are answered when this resolves. */
  mayAnswer = Promise.resolve();

  fetch = async (url, init = {}) => {
    const method = init.method ?? "GET";
    this.asked.push(`${method} ${url}`);
    if (url === "/api/ice-servers") return Response.json({ ice_servers: [{ urls: "stun:192.0.2.1" }] });
    if (method === "DELETE") return new Response(null, { status: 200 });
    await this.mayAnswer;
    if (this.refusal) {
      const [status, message] = this.refusal;
      return Response.json({ error: { code: "x", message } }, { status });
    }
    this.offer = init;
    return new Response("v=0 answer", { status: 201, headers: { location: `/whip/desk/session-${FakePeer.all.length}` } });
  };
}

class FakeTrack extends EventTarget {
  stopped = false;
  stop() {
    this.stopped = true;
  }
}

let server;
let store;
let share;
let track;
let media;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  FakePeer.all = [];
  server = new FakeServer();
  Object.assign(globalThis, {
    RTCPeerConnection: FakePeer,
    fetch: server.fetch,
    location: { href: "http://127.0.0.1:8000/" },
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  });
  store = new Store();
  share = new WebcamShare(store);
  track = new FakeTrack();
  media = { getVideoTracks: () => [track], getTracks: () => [track] };
});

/** Lets every promise that can go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
const peer = () => FakePeer.all.at(-1);

test("a webcam is published with the server's ICE servers and keeps its resolution", async () => {
  await share.start("desk", media);
  assert.deepEqual(server.asked, ["GET /api/ice-servers", "POST /whip/desk"]);
  assert.equal(server.offer.headers["content-type"], "application/sdp");
  assert.equal(server.offer.body, "v=0 offer");
  assert.deepEqual(peer().configuration.iceServers, [{ urls: "stun:192.0.2.1" }]);
  assert.equal(peer().options.direction, "sendonly");
  assert.equal(peer().parameters.degradationPreference, "maintain-resolution");
  assert.equal(peer().remote.sdp, "v=0 answer");
  assert.equal(store.share.phase, "starting");
  peer().become("connected");
  assert.equal(store.share.phase, "live");
});

test("stopping tells the server, closes the peer and lets go of the camera", async () => {
  await share.start("desk", media);
  share.stop();
  await settle();
  assert.equal(server.asked.at(-1), "DELETE http://127.0.0.1:8000/whip/desk/session-1");
  assert.deepEqual([peer().closed, track.stopped, store.share.phase], [true, true, "off"]);
});

test("a refusal at the start is the caller's, and so is the camera", async () => {
  server.refusal = [409, "The id desk is taken."];
  await assert.rejects(share.start("desk", media), { message: "The id desk is taken." });
  await settle();
  assert.deepEqual([track.stopped, store.share.phase, peer().closed], [false, "off", true]);
});

test("a failed connection is made anew after a pause", async () => {
  await share.start("desk", media);
  peer().become("connected");
  const first = peer();
  first.become("failed");
  assert.equal(store.share.phase, "retrying");
  await settle();
  assert.ok(first.closed);
  mock.timers.tick(2400);
  await settle();
  assert.equal(FakePeer.all.length, 2);
  peer().become("connected");
  assert.equal(store.share.phase, "live");
});

test("a short hiccup is waited out, a long one is not", async () => {
  await share.start("desk", media);
  peer().become("connected");
  peer().become("disconnected");
  mock.timers.tick(3000);
  peer().become("connected");
  mock.timers.tick(60_000);
  assert.equal(store.share.phase, "live");
  peer().become("disconnected");
  mock.timers.tick(4000);
  assert.equal(store.share.phase, "retrying");
});

test("a server that never receives the video is not waited for for ever", async () => {
  await share.start("desk", media);
  mock.timers.tick(15_000);
  assert.match(store.share.why, /firewall may block UDP/);
});

test("a name still taken by the old session is tried again, a refusal for good is told", async () => {
  await share.start("desk", media);
  peer().become("failed");
  server.refusal = [409, "The id desk is taken."];
  mock.timers.tick(2400);
  await settle();
  assert.deepEqual([store.share.phase, store.share.why], ["retrying", "The id desk is taken."]);
  server.refusal = [403, "Publishing is switched off."];
  mock.timers.tick(4800);
  await settle();
  assert.deepEqual([store.share.phase, track.stopped], ["off", true]);
  assert.equal(store.notices()[0].text, "Sharing stopped: Publishing is switched off.");
});

test("a camera that is pulled out ends the share and says so", async () => {
  await share.start("desk", media);
  track.dispatchEvent(new Event("ended"));
  assert.equal(store.share.phase, "off");
  assert.match(store.notices()[0].text, /camera was disconnected/);
});

test("stopped while the server still answers, nothing is left behind", async () => {
  let answer;
  server.mayAnswer = new Promise((resolve) => (answer = resolve));
  const starting = share.start("desk", media);
  await settle();
  share.stop();
  answer();
  await starting;
  await settle();
  assert.equal(server.asked.at(-1), "DELETE http://127.0.0.1:8000/whip/desk/session-1");
  assert.ok(peer().closed);
  assert.equal(store.share.phase, "off");
});

test("after a stop nothing is tried again", async () => {
  await share.start("desk", media);
  peer().become("failed");
  share.stop();
  mock.timers.tick(60_000);
  await settle();
  assert.equal(FakePeer.all.length, 1);
});
