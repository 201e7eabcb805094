/** @import { EventMessage, EventPage, MonitorEvent, ReviewMark } from "../core/types.js" */
/** @import { EventFilter } from "./event-filter.js" */
import { EVERYTHING, matches } from "./event-filter.js";

/** Beside those in the list, which the operator has asked for, so many events are remembered. */
const MAX_UNLISTED = 200;

/**
 * So many are listed unless the operator asks for older ones: a page left open for a week is told of thousands. Those left out
 * are behind "Older" again.
 */
export const MAX_LISTED = 500;

/** An alert and its event carry the same start, each read off the clocks on its own. */
const SAME_START_S = 2;

/**
 * @typedef {object} EventListState
 * @property {EventFilter} filter
 * @property {"new" | "loading" | "ready" | "failed" | "nothing kept"} phase "failed" only while nothing can be shown
 * @property {boolean} older whether an older page is on its way
 * @property {string | null} next where the older ones begin; null where there are none
 * @property {string} error what went wrong with the newest request, in words
 */

/**
 * What the page knows of events: those that were loaded, changed by what comes live, and the list of them.
 *
 * Topics that it tells of: "events" (the list, and anything in it), "event:ID" (one of them).
 */
export class EventBook {
  #tell;
  /** As the server last told them. @type {Map<string, MonitorEvent>} */
  #events = new Map();
  /** What an operator said of them and the server has not answered yet. @type {Map<string, { mark: ReviewMark | null, mark_note: string }>} */
  #wishes = new Map();
  /** @type {Set<string>} */
  #gone = new Set();
  /** Live messages so far, and the number of each event's last: an answer that was on its way meanwhile is older. */
  #heard = 0;
  /** @type {Map<string, number>} */
  #heardAt = new Map();
  /** Newest first. @type {string[]} */
  #ids = [];
  /** Belong into the list, but would move what somebody reads; `MAX_LISTED` at most, the newest. @type {Set<string>} */
  #news = new Set();
  /** Whether more than that came: between the news and the list something is missing. */
  #newsCut = false;
  /** @type {EventListState} */
  list = { filter: EVERYTHING, phase: "new", older: false, next: null, error: "" };

  /** @param {(topic: string) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Live messages so far: give it to `learn` or `putPage` with the answer to what is asked now. */
  get heard() {
    return this.#heard;
  }

  /** @param {string} id */
  get(id) {
    const event = this.#events.get(id);
    const wish = this.#wishes.get(id);
    return event && wish ? { ...event, ...wish } : (event ?? null);
  }

  /** As the server has it, without what an operator has said since. @param {string} id */
  told(id) {
    return this.#events.get(id) ?? null;
  }

  /** Whether it was deleted in the life of this page. @param {string} id */
  isGone(id) {
    return this.#gone.has(id);
  }

  /** The list, newest first. */
  listed() {
    return this.#ids.flatMap((id) => this.get(id) ?? []);
  }

  /** How many wait for `showNews`. */
  get newsCount() {
    return this.#news.size;
  }

  /** Whether there were more than are remembered: `showNews` begins the list anew with them. */
  get newsCut() {
    return this.#newsCut;
  }

  /**
   * The event of an alert, as far as it is known.
   *
   * @param {string} streamId
   * @param {number | null} faceId null: of its pictures
   * @param {number} startedAt Unix seconds
   */
  ofAlert(streamId, faceId, startedAt) {
    for (const event of this.#events.values()) {
      if (event.stream_id !== streamId || event.face_id !== faceId) continue;
      if (Math.abs(event.started_at - startedAt) < SAME_START_S) return event;
    }
    return null;
  }

  /** @param {EventMessage} message */
  hear({ event, deleted }) {
    this.#heard += 1;
    if (deleted) return this.#drop(event.id);
    this.#heardAt.set(event.id, this.#heard);
    this.#put(event);
    if (this.list.phase === "ready") this.#addNews(event.id);
    return this.#tellOf(event.id);
  }

  /**
   * What a request answered; what was heard since it was sent is newer.
   *
   * @param {MonitorEvent} event
   * @param {number} asked `heard` when it was sent
   */
  learn(event, asked) {
    if (this.#gone.has(event.id) || (this.#heardAt.get(event.id) ?? 0) > asked) return;
    this.#put(event);
    this.#tellOf(event.id);
  }

  /** @param {string} id the server says that there is none */
  missing(id) {
    this.#drop(id);
  }

  /** Begins another list. @param {EventFilter} filter */
  begin(filter) {
    this.#empty();
    this.#setList({ filter, phase: "loading", older: false, next: null, error: "" });
  }

  /** @param {Partial<EventListState>} change */
  #setList(change) {
    this.list = { ...this.list, ...change };
    this.#tell("events");
  }

  /** An older page is on its way. */
  waitForOlder() {
    this.#setList({ older: true, error: "" });
  }

  /**
   * @param {string} error in words
   * @param {boolean} nothingKept
   */
  fail(error, nothingKept = false) {
    const { phase } = this.list;
    this.#setList({ error, older: false, phase: nothingKept ? "nothing kept" : phase === "ready" ? phase : "failed" });
  }

  /**
   * One page of the list.
   *
   * @param {EventPage} page
   * @param {number} asked `heard` when it was asked for
   */
  putPage({ items, next }, asked) {
    for (const event of items) this.learn(event, asked);
    const known = new Set(this.#ids);
    this.#ids.push(...items.map(({ id }) => id).filter((id) => !known.has(id) && !this.#gone.has(id)));
    for (const { id } of items) this.#news.delete(id);
    this.#sort();
    this.list = { ...this.list, next };
    for (const [id, at] of this.#heardAt) if (at > asked) this.#addNews(id);
    this.#setList({ phase: "ready", older: false, error: "" });
  }

  /**
   * The newest page anew, after a connection was lost: what has gone meanwhile goes, what is new waits.
   *
   * @param {EventPage} page
   * @param {number} asked `heard` when it was asked for
   */
  renew({ items, next }, asked) {
    for (const event of items) this.learn(event, asked);
    const ids = new Set(items.map(({ id }) => id));
    if (next !== null && !this.#ids.some((id) => ids.has(id))) {
      // more has happened than one page holds: what was listed before it would leave a hole
      this.#empty();
      return this.putPage({ items, next }, asked);
    }
    const oldest = next === null ? "" : (items.at(-1)?.id ?? "");
    this.#ids = this.#ids.filter((id) => id < oldest || ids.has(id) || (this.#heardAt.get(id) ?? 0) > asked);
    for (const id of ids) this.#addNews(id);
    return this.#setList({ error: "", next: next === null ? null : this.list.next });
  }

  /** Puts what is new into the list, and leaves out what is then older than `MAX_LISTED` others, or as many as were asked for. */
  showNews() {
    if (this.#news.size === 0) return;
    const most = Math.max(MAX_LISTED, this.#ids.length);
    const cut = this.#newsCut || this.#ids.length + this.#news.size > most;
    const ids = this.#newsCut ? [...this.#news] : [...this.#ids, ...this.#news];
    this.#empty();
    this.#ids = ids;
    this.#sort();
    this.#ids.length = Math.min(ids.length, most);
    this.#setList(cut ? { next: this.#ids.at(-1) ?? null, older: false } : {});
  }

  #empty() {
    this.#ids = [];
    this.#news.clear();
    this.#newsCut = false;
  }

  /**
   * Shows what an operator says of an event before the server has agreed.
   *
   * @param {string} id
   * @param {ReviewMark | null} mark
   * @param {string} note
   * @returns {() => void} ends it: the server has answered, or refused
   */
  wish(id, mark, note) {
    const wish = { mark, mark_note: note };
    this.#wishes.set(id, wish);
    this.#tellOf(id);
    return () => {
      if (this.#wishes.get(id) !== wish) return; // the operator has changed their mind meanwhile
      this.#wishes.delete(id);
      this.#tellOf(id);
    };
  }

  /** Where the list should have it and has not. @param {string} id */
  #addNews(id) {
    const event = this.get(id);
    const { filter, next } = this.list;
    const within = next === null || id > (this.#ids.at(-1) ?? "");
    if (!event || !within || !matches(event, filter)) return;
    if (this.#ids.includes(id)) return;
    this.#news.add(id);
    if (this.#news.size <= MAX_LISTED) return;
    const oldest = [...this.#news].reduce((least, other) => (other < least ? other : least));
    this.#news.delete(oldest);
    this.#newsCut = true;
  }

  #sort() {
    this.#ids.sort((a, b) => (a < b ? 1 : -1)); // ids begin with their time
  }

  /** @param {MonitorEvent} event */
  #put(event) {
    this.#events.delete(event.id); // the map keeps those that changed last at its end
    this.#events.set(event.id, event);
    const listed = new Set([...this.#ids, ...this.#news]);
    if (this.#events.size <= listed.size + MAX_UNLISTED) return;
    for (const id of this.#events.keys()) {
      if (listed.has(id) || id === event.id) continue;
      this.#events.delete(id);
      this.#heardAt.delete(id);
      if (this.#events.size <= listed.size + MAX_UNLISTED) return;
    }
  }

  /** @param {string} id */
  #drop(id) {
    this.#gone.add(id);
    this.#events.delete(id);
    this.#heardAt.delete(id);
    this.#ids = this.#ids.filter((other) => other !== id);
    this.#news.delete(id);
    this.#tellOf(id);
  }

  /** @param {string} id */
  #tellOf(id) {
    this.#tell(`event:${id}`);
    this.#tell("events");
  }
}
