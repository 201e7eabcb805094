/** @import { AlertMessage, Connection, HelloMessage, LiveMessage, Notice, Share, StatsMessage, StreamMessage, Upload } from "./types.js" */
import { ServerClock } from "./clock.js";
import { EventBook } from "../events/event-book.js";
import { StreamRecord } from "../streams/stream-record.js";

/** Alerts that are over stay in sight, but not for ever. */
const MAX_ALERTS = 50;

/** Side of a face's cut-out over its box, where a server does not say. */
const CROP_SCALE = 1.3;

/** @typedef {AlertMessage & { over: boolean }} AlertRecord */

/**
 * The one place that holds what the page knows. Views subscribe to a topic and read; they never write.
 *
 * Topics: "connection", "server" (device, model), "stats", "streams" (which there are), "stream:ID" (anything about one),
 * "alerts", "uploads", "share", "notices", "said" (for screen readers), and those of `EventBook`.
 */
export class Store {
  /** @type {Map<string, Set<() => void>>} */
  #listeners = new Map();
  /** @type {Map<string, StreamRecord>} */
  #streams = new Map();
  /** @type {AlertRecord[]} */
  #alerts = [];
  /** @type {Map<string, Upload>} */
  #uploads = new Map();
  /** @type {Notice[]} */
  #notices = [];
  #noticeCount = 0;
  events = new EventBook((topic) => this.#notify(topic));
  said = "";

  /** @type {Connection} */
  connection = { state: "connecting", retryAtMs: null, regained: false, sinceMs: 0 };
  /** @type {{ name: string, version: string, device: string, model: string, coverage: string, cropScale: number } | null} */
  server = null;
  /** @type {StatsMessage | null} */
  stats = null;
  /** @type {Share} */
  share = { phase: "off", streamId: null, retryAtMs: null, why: null, media: null };

  /** @param {ServerClock} clock */
  constructor(clock = new ServerClock()) {
    this.clock = clock;
  }

  /**
   * @param {string} topic
   * @param {() => void} listener called after every change
   * @returns {() => void} ends the subscription
   */
  subscribe(topic, listener) {
    const listeners = this.#listeners.get(topic) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(topic, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  /** Whether the server keeps events with their evidence, as far as is known. */
  get keeps() {
    return this.stats?.notifications !== null;
  }

  /** In the order in which they were added. */
  streamIds() {
    return [...this.#streams.keys()];
  }

  /** @param {string} streamId */
  stream(streamId) {
    return this.#streams.get(streamId) ?? null;
  }

  /** Live streams whose pictures show nothing, or do not move: alerts of their own. */
  pictureAlerts() {
    return [...this.#streams.values()].map(({ info }) => info).filter((info) => info.picture && info.state === "live");
  }

  /** Newest first; those that are over last. */
  alerts() {
    return [...this.#alerts].sort((a, b) => Number(a.over) - Number(b.over) || b.started_at - a.started_at);
  }

  /** Newest first. */
  uploads() {
    return [...this.#uploads.values()].reverse();
  }

  /** @returns {readonly Notice[]} */
  notices() {
    return this.#notices;
  }

  /** @param {LiveMessage} message */
  apply(message) {
    switch (message.type) {
      case "hello":
        return this.#applyHello(message);
      case "stream":
        this.clock.observe(message.at);
        return this.#applyStream(message);
      case "faces":
        return this.#onStream(message.stream_id, (record) => record.applyFaces(message));
      case "score":
        this.clock.observe(message.scored_at);
        return this.#onStream(message.stream_id, (record) => record.applyScore(message));
      case "verdict":
        return this.#onStream(message.stream_id, (record) => record.applyVerdict(message));
      case "face_ended":
        this.#endAlert(message.stream_id, message.face_id);
        return this.#onStream(message.stream_id, (record) => record.endFace(message.face_id));
      case "alert":
        return this.#applyAlert(message);
      case "upload":
        return this.#applyUpload(message.upload_id, message.progress);
      case "event":
        return this.events.hear(message);
      case "stats":
        this.clock.observe(message.at);
        this.stats = message;
        return this.#notify("stats");
      default:
        return undefined; // "pong", and types of a newer server
    }
  }

  /** @param {Connection} connection */
  setConnection(connection) {
    this.connection = connection;
    this.#notify("connection");
  }

  /** @param {Partial<Share>} change */
  setShare(change) {
    const before = this.share.streamId;
    this.share = { ...this.share, ...change };
    this.#notify("share");
    for (const id of new Set([before, this.share.streamId])) if (id) this.#notify(`stream:${id}`);
  }

  /** @param {Upload} upload replaces the one of the same id */
  putUpload(upload) {
    this.#uploads.set(upload.id, upload);
    this.#notify("uploads");
  }

  /** @param {string} uploadId */
  dropUpload(uploadId) {
    if (this.#uploads.delete(uploadId)) this.#notify("uploads");
  }

  /**
   * @param {string} streamId
   * @param {readonly import("./types.js").ScorePoint[]} items
   */
  addHistory(streamId, items) {
    this.#onStream(streamId, (record) => record.applyHistory(items));
  }

  /**
   * Tells the operator something that belongs to no card; stays until dismissed or replaced by the same words.
   *
   * @param {Notice["tone"]} tone
   * @param {string} text
   */
  notice(tone, text) {
    this.#noticeCount += 1;
    this.#notices = [...this.#notices.filter((notice) => notice.text !== text), { id: this.#noticeCount, tone, text }].slice(-4);
    this.#notify("notices");
    return this.#noticeCount;
  }

  /** @param {number} noticeId */
  dismiss(noticeId) {
    this.#notices = this.#notices.filter((notice) => notice.id !== noticeId);
    this.#notify("notices");
  }

  /** Tells those who cannot see it that something was done. @param {string} text */
  say(text) {
    this.said = text;
    this.#notify("said");
  }

  close() {
    this.#listeners.clear();
  }

  /** @param {HelloMessage} hello */
  #applyHello(hello) {
    this.clock.reset();
    this.clock.observe(hello.at);
    this.server = { ...hello.server, device: hello.device, model: hello.model, coverage: hello.coverage ?? "", cropScale: hello.crop_scale ?? CROP_SCALE };
    this.stats = hello.stats ?? this.stats;
    const before = this.#streams;
    this.#streams = new Map();
    for (const info of hello.streams) {
      const record = before.get(info.stream_id) ?? new StreamRecord(info);
      record.info = info;
      record.clearFaces();
      this.#streams.set(info.stream_id, record);
    }
    for (const message of hello.faces) this.#streams.get(message.stream_id)?.applyFaces(message);
    for (const message of hello.verdicts) this.#streams.get(message.stream_id)?.applyVerdict(message);
    for (const message of hello.scores) this.#streams.get(message.stream_id)?.applyScore(message);
    const told = new Set(hello.alerts.map((alert) => alertKey(alert)));
    this.#alerts = this.#alerts.filter((alert) => !told.has(alertKey(alert))).map((alert) => ({ ...alert, over: true }));
    for (const alert of hello.alerts) this.#alerts.push({ ...alert, over: !alert.raised });
    for (const topic of ["server", "stats", "streams", "alerts"]) this.#notify(topic);
    for (const streamId of this.#streams.keys()) this.#notify(`stream:${streamId}`);
  }

  /** @param {StreamMessage} info */
  #applyStream(info) {
    const known = this.#streams.get(info.stream_id);
    if (info.state === "removed") {
      this.#endAlert(info.stream_id, null);
      if (this.#streams.delete(info.stream_id)) this.#notify("streams");
      if (known?.info.picture) this.#notify("alerts");
    } else if (known) {
      const again = known.info.generation !== info.generation;
      const picture = pictureKey(known.info) !== pictureKey(info);
      known.info = info;
      if (picture) this.#notify("alerts");
      if (again || info.state === "ended") known.clearFaces();
      this.#notify(`stream:${info.stream_id}`);
    } else {
      this.#streams.set(info.stream_id, new StreamRecord(info));
      this.#notify("streams");
      if (info.picture) this.#notify("alerts");
    }
  }

  /** @param {AlertMessage} message */
  #applyAlert(message) {
    this.#alerts = this.#alerts.filter((alert) => alertKey(alert) !== alertKey(message));
    this.#alerts.push({ ...message, over: !message.raised });
    this.#alerts = this.#alerts.slice(-MAX_ALERTS);
    this.#notify("alerts");
  }

  /**
   * @param {string} streamId
   * @param {number | null} faceId null: all of the stream
   */
  #endAlert(streamId, faceId) {
    let changed = false;
    for (const alert of this.#alerts) {
      if (alert.stream_id !== streamId || alert.over || (faceId !== null && alert.face_id !== faceId)) continue;
      alert.over = true;
      changed = true;
    }
    if (changed) this.#notify("alerts");
  }

  /**
   * @param {string} uploadId
   * @param {number} progress
   */
  #applyUpload(uploadId, progress) {
    const upload = this.#uploads.get(uploadId);
    if (upload && (upload.phase === "sending" || upload.phase === "analysing")) {
      this.putUpload({ ...upload, phase: "analysing", progress });
    }
  }

  /**
   * @param {string} streamId
   * @param {(record: StreamRecord) => void} change
   */
  #onStream(streamId, change) {
    const record = this.#streams.get(streamId);
    if (!record) return; // removed while the message was on its way
    change(record);
    this.#notify(`stream:${streamId}`);
  }

  /** @param {string} topic */
  #notify(topic) {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
  }
}

/** @param {StreamMessage} info */
function pictureKey(info) {
  return info.picture && info.state === "live" ? `${info.picture} ${info.picture_since} ${info.picture_same_as}` : "";
}

/** @param {AlertMessage} alert */
function alertKey(alert) {
  return `${alert.stream_id}/${alert.face_id}/${alert.started_at}`;
}
