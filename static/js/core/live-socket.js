/** @import { LiveMessage } from "./types.js" */
/** @import { Store } from "./store.js" */
import { LIVE_RETRY_PAUSES_S, retryPauseMs } from "./retry.js";

/** `stats` comes every 2 s: silence for longer than this is a dead connection that nobody closed. */
const SILENCE_MS = 8000;
/** A server that accepts but never greets is not a connection. */
const OPEN_TIMEOUT_MS = 8000;

/**
 * What this needs of the browser; tests hand in their own.
 *
 * @typedef {object} SocketHost
 * @property {(url: string) => WebSocket} open
 * @property {(run: () => void, ms: number) => number} later
 * @property {(timer: number) => void} cancel
 * @property {() => number} nowMs
 * @property {() => number} random
 */

/** @type {SocketHost} */
const BROWSER = {
  open: (url) => new WebSocket(url),
  later: (run, ms) => Number(setTimeout(run, ms)),
  cancel: (timer) => clearTimeout(timer),
  nowMs: () => Date.now(),
  random: () => Math.random(),
};

/** Keeps the one connection to /ws/live: feeds the store, notices silence, comes back by itself. */
export class LiveSocket {
  #url;
  #store;
  #host;
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #closed = false;
  /** @type {number | null} */
  #retryTimer = null;
  /** @type {number | null} */
  #silenceTimer = null;

  /**
   * @param {string} url ws: or wss:
   * @param {Store} store
   * @param {SocketHost} host
   */
  constructor(url, store, host = BROWSER) {
    this.#url = url;
    this.#store = store;
    this.#host = host;
    this.#connect();
  }

  /** Does not wait for the pause to end: the operator asked, or the machine woke up. */
  retryNow() {
    if (this.#closed || this.#retryTimer === null) return;
    this.#host.cancel(this.#retryTimer);
    this.#retryTimer = null;
    this.#connect();
  }

  close() {
    this.#closed = true;
    for (const timer of [this.#retryTimer, this.#silenceTimer]) if (timer !== null) this.#host.cancel(timer);
    this.#retryTimer = this.#silenceTimer = null;
    this.#socket?.close();
    this.#socket = null;
  }

  #connect() {
    const socket = this.#host.open(this.#url);
    this.#socket = socket;
    this.#watchSilence(OPEN_TIMEOUT_MS);
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#onMessage(event.data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#onLost();
    };
  }

  /** @param {unknown} data */
  #onMessage(data) {
    this.#watchSilence(SILENCE_MS);
    /** @type {LiveMessage} */
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return; // half a message is no message; the next one will do
    }
    this.#store.apply(message);
    if (message.type === "hello") {
      this.#attempt = 0;
      // a greeting in mid-connection only means that the server dropped messages for a slow page
      const regained = this.#store.connection.state === "lost";
      if (this.#store.connection.state !== "connected") {
        this.#store.setConnection({ state: "connected", retryAtMs: null, regained, sinceMs: this.#host.nowMs() });
      }
    }
  }

  #onLost() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (this.#silenceTimer !== null) this.#host.cancel(this.#silenceTimer);
    this.#silenceTimer = null;
    if (this.#closed) return;
    const pause = retryPauseMs(LIVE_RETRY_PAUSES_S, this.#attempt, this.#host.random);
    this.#attempt += 1;
    this.#retryTimer = this.#host.later(() => {
      this.#retryTimer = null;
      this.#connect();
    }, pause);
    const sinceMs = this.#store.connection.state === "lost" ? this.#store.connection.sinceMs : this.#host.nowMs();
    this.#store.setConnection({ state: "lost", retryAtMs: this.#host.nowMs() + pause, regained: false, sinceMs });
  }

  /** @param {number} ms */
  #watchSilence(ms) {
    if (this.#silenceTimer !== null) this.#host.cancel(this.#silenceTimer);
    this.#silenceTimer = this.#host.later(() => {
      this.#silenceTimer = null;
      this.#onLost();
    }, ms);
  }
}
