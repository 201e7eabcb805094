/** @import { Store } from "../core/store.js" */
/** @import { EventFilter } from "./event-filter.js" */
/** @import { ReviewMark } from "../core/types.js" */
import { ApiError, deleteEvent, getEvent, listEvents, markEvent } from "../core/api.js";
import { EVERYTHING, queryOf } from "./event-filter.js";
import { LIVE_RETRY_PAUSES_S, retryPauseMs } from "../core/retry.js";

/** What the server says where `storage.enabled` is off. */
const NOTHING_KEPT = "nothing_kept";

/** Asks the server for events and tells it what operators make of them; the answers go into the store. */
export class EventDesk {
  #store;
  /** @type {(() => void)[]} */
  #ends;
  #asking = new AbortController();
  /** Marks of one event reach the server in the order in which they were set. @type {Map<string, Promise<void>>} */
  #marking = new Map();
  /** Whether the events that go on were asked for since the last greeting, for the links of alerts. */
  #openKnown = false;
  #kept = true;
  #greetings = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    this.#ends = [
      store.subscribe("server", () => void this.#onGreeting()),
      store.subscribe("alerts", () => void this.#findOpen()),
    ];
  }

  close() {
    this.#greetings += 1; // whoever still waits for an answer asks no more
    clearTimeout(this.#timer);
    this.#asking.abort();
    for (const end of this.#ends) end();
  }

  /** Begins a list anew. @param {EventFilter} filter */
  async list(filter) {
    const { events } = this.#store;
    this.#asking.abort();
    this.#asking = new AbortController();
    events.begin(filter);
    await this.#page(null);
  }

  /** Adds the page of events that are older than those listed. */
  async older() {
    const { events } = this.#store;
    if (events.list.older || events.list.next === null) return;
    events.waitForOlder();
    await this.#page(events.list.next);
  }

  /**
   * Asks for one event.
   *
   * @param {string} id
   * @throws {ApiError}
   */
  async load(id) {
    const { events } = this.#store;
    const asked = events.heard;
    try {
      events.learn(await getEvent(id), asked);
    } catch (error) {
      // one that has just begun is told before it is written
      const known = events.get(id);
      if (isMissing(error) && known && known.state !== "open") events.missing(id);
      throw error;
    }
  }

  /**
   * Shows the mark at once, and takes it back when the server refuses.
   *
   * @param {string} id
   * @param {ReviewMark | null} mark null takes it back
   * @param {string} note
   * @throws {ApiError}
   */
  async mark(id, mark, note) {
    const { events } = this.#store;
    const settle = events.wish(id, mark, note);
    const before = this.#marking.get(id) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(async () => {
      const asked = events.heard;
      events.learn(await markEvent(id, mark, note), asked);
    });
    this.#marking.set(id, mine);
    try {
      await mine;
    } catch (error) {
      if (isMissing(error)) events.missing(id);
      throw error;
    } finally {
      if (this.#marking.get(id) === mine) this.#marking.delete(id);
      settle();
    }
  }

  /**
   * Deletes an event with its evidence.
   *
   * @param {string} id
   * @throws {ApiError}
   */
  async remove(id) {
    try {
      await deleteEvent(id);
    } catch (error) {
      if (!isMissing(error)) throw error; // somebody else was faster
    }
    this.#store.events.missing(id);
  }

  /** @param {string | null} before */
  async #page(before) {
    const { events } = this.#store;
    const { signal } = this.#asking;
    const asked = events.heard;
    // a list that was cut meanwhile goes on from elsewhere
    const isWanted = () => !signal.aborted && (before === null || before === events.list.next);
    try {
      const page = await listEvents(queryOf(events.list.filter, before), signal);
      if (isWanted()) events.putPage(page, asked);
    } catch (error) {
      if (isWanted()) events.fail(wordsOf(error), isNothingKept(error));
    }
  }

  /** After a greeting whatever was sent before may have been missed. */
  #onGreeting() {
    clearTimeout(this.#timer);
    this.#greetings += 1;
    this.#openKnown = false;
    const { events } = this.#store;
    if (events.list.phase === "failed") void this.list(events.list.filter);
    return this.#catchUp(this.#greetings, 0);
  }

  /**
   * Asks until there is an answer: what is shown would stay stale for ever.
   *
   * @param {number} greeting a newer one begins anew
   * @param {number} attempt from 0
   */
  async #catchUp(greeting, attempt) {
    const answered = await Promise.all([this.#renew(), this.#findOpen()]);
    if (answered.every(Boolean) || greeting !== this.#greetings) return;
    this.#timer = setTimeout(() => void this.#catchUp(greeting, attempt + 1), retryPauseMs(LIVE_RETRY_PAUSES_S, attempt));
  }

  /** The newest page of the list anew; whether there is nothing more to ask. */
  async #renew() {
    const { events } = this.#store;
    if (events.list.phase !== "ready") return true;
    const { signal } = this.#asking;
    const asked = events.heard;
    try {
      const page = await listEvents(queryOf(events.list.filter), signal);
      if (!signal.aborted) events.renew(page, asked);
      return true;
    } catch (error) {
      console.info("the events could not be asked for again:", error);
      return signal.aborted || isNothingKept(error);
    }
  }

  /** Alerts that were raised before this page was opened have events that nobody has told it of; as `#renew`. */
  async #findOpen() {
    const { events } = this.#store;
    const unknown = this.#store.alerts().some((alert) => !alert.over && !events.ofAlert(alert.stream_id, alert.face_id, alert.started_at));
    if (this.#openKnown || !this.#kept || (!unknown && this.#store.pictureAlerts().length === 0)) return true;
    this.#openKnown = true;
    const asked = events.heard;
    try {
      const { items } = await listEvents(queryOf({ ...EVERYTHING, state: "open" }));
      for (const event of items) events.learn(event, asked);
      return true;
    } catch (error) {
      this.#kept = !isNothingKept(error);
      this.#openKnown = !this.#kept;
      console.info("alerts have no links to their events:", error);
      return !this.#kept;
    }
  }
}

/** Whether there is no such event. @param {unknown} error */
export function isMissing(error) {
  return error instanceof ApiError && error.status === 404 && error.code !== NOTHING_KEPT;
}

/** @param {unknown} error */
export function isNothingKept(error) {
  return error instanceof ApiError && error.code === NOTHING_KEPT;
}

/** @param {unknown} error */
export function wordsOf(error) {
  return error instanceof Error ? error.message : String(error);
}
