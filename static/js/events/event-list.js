/** @import { Context } from "../core/types.js" */
import { h, icon, setText } from "../core/dom.js";
import { EventFilters } from "./event-filters.js";
import { isNarrow } from "./event-filter.js";
import { EventRow } from "./event-row.js";
import { counted } from "../core/format.js";
import { errorLine } from "../core/modal.js";

/** Who has scrolled no further looks at the top of the list. */
const AT_TOP_PX = 40;

const COLUMNS = ["What", "Stream", "Began", "How long", "Highest score", "State", "Mark"];

/** `<event-list>`: what alerts have opened, the newest first. What comes live moves nothing that somebody reads. */
export class EventList extends HTMLElement {
  #context;
  /** @type {(() => void)[]} */
  #ends;
  #open = false;
  #heading = h("h2", { tabindex: -1 }, "Events");
  #filters;
  #news = h("button", { type: "button", class: "primary news", hidden: true, "data-testid": "events-news", onclick: () => this.#onNews() });
  #rows = h("div", { class: "event-rows", role: "list", "aria-label": "Events" });
  #table;
  #note = h("div", { class: "event-note", "data-testid": "events-note" });
  #noted = "";
  #olderError = errorLine("events-older-error");
  #older = h("button", { type: "button", "data-testid": "events-older", onclick: () => void this.#onOlder() }, "Older");
  #count = h("p", { class: "muted", role: "status", "data-testid": "events-count" });
  /** @type {Map<string, EventRow>} */
  #shown = new Map();

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    const { store, ticker } = context;
    this.#filters = new EventFilters(store, (filter) => void context.events.list(filter));
    const heads = COLUMNS.map((name) => h("span", {}, name));
    this.#table = h("div", { class: "event-table" }, h("div", { class: "event-heads", "aria-hidden": "true" }, ...heads), this.#rows);
    this.append(
      h("header", {}, this.#heading, this.#filters),
      h("div", { role: "status" }, this.#news),
      this.#note,
      this.#table,
      this.#olderError.element,
      h("footer", {}, this.#older, this.#count),
    );
    this.#ends = [store.subscribe("events", () => this.#render()), ticker.subscribe(() => this.#tick())];
    this.#render();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    for (const end of this.#ends) end();
  }

  /**
   * The view is opened: loads when it is for the first time, and goes back to where the operator was.
   *
   * @param {string | null} from id of the event that was looked at before
   * @param {boolean} moved whether the keyboard goes along: not where the page has just been loaded
   */
  open(from, moved) {
    this.#open = true;
    const { store, events } = this.#context;
    const { phase, filter } = store.events.list;
    if (phase === "new" || phase === "failed") void events.list(filter);
    else this.#render();
    if (!moved) return;
    const row = from === null ? undefined : this.#shown.get(from);
    if (row) row.focusLink();
    else this.#heading.focus();
  }

  /** Another view is shown. */
  leave() {
    this.#open = false;
  }

  #render() {
    const { events } = this.#context.store;
    const { list } = events;
    if (events.newsCount > 0 && !this.#isRead()) return events.showNews(); // which renders
    setText(this.#news, `${events.newsCount}${events.newsCut ? "+" : ""} new`);
    this.#news.hidden = events.newsCount === 0;
    this.#renderRows();
    this.#table.hidden = this.#shown.size === 0;
    this.#renderNote();
    const ready = list.phase === "ready";
    this.#olderError.show(ready && list.error ? `Older events could not be loaded: ${list.error}` : "");
    this.#older.hidden = !ready || list.next === null;
    setText(this.#older, list.older ? "Loading…" : "Older");
    setText(this.#count, ready && this.#shown.size > 0 ? this.#countWords() : "");
  }

  #countWords() {
    const { list } = this.#context.store.events;
    const count = this.#shown.size;
    const narrow = isNarrow(list.filter) ? ` that match${count === 1 ? "es" : ""}` : "";
    return `${counted(count, "event")}${narrow}${list.next === null ? ", no older ones" : " so far"}`;
  }

  /** Whether a row that comes in from above would move what somebody reads, has focused or is about to press. */
  #isRead() {
    if (!this.#open) return false;
    return scrollY > AT_TOP_PX || this.#rows.contains(document.activeElement) || this.#rows.matches(":hover");
  }

  #renderRows() {
    const events = this.#context.store.events.listed();
    const ids = new Set(events.map(({ id }) => id));
    for (const [id, row] of this.#shown) if (!ids.has(id)) this.#takeAway(row);
    for (const [index, event] of events.entries()) {
      let row = this.#shown.get(event.id);
      if (row) row.show(event);
      else {
        row = new EventRow(this.#context, event);
        this.#shown.set(event.id, row);
        this.#rows.insertBefore(row, this.#rows.children[index] ?? null);
      }
    }
  }

  /** @param {EventRow} row */
  #takeAway(row) {
    const next = row.contains(document.activeElement) ? (row.nextElementSibling ?? row.previousElementSibling) : null;
    const focused = row.contains(document.activeElement);
    row.remove();
    this.#shown.delete(row.eventId);
    if (next instanceof EventRow) next.focusLink();
    else if (focused) this.#heading.focus();
  }

  /** What stands in the place of rows: loading, none, none kept, an error. */
  #renderNote() {
    const { list } = this.#context.store.events;
    const noted = this.#shown.size > 0 ? "" : `${list.phase} ${list.error} ${isNarrow(list.filter)}`;
    if (noted === this.#noted) return;
    this.#noted = noted;
    this.#note.replaceChildren(...(noted === "" ? [] : this.#noteOf()));
    this.#note.dataset.phase = noted === "" ? "" : list.phase;
  }

  /** @returns {HTMLElement[]} */
  #noteOf() {
    const { list } = this.#context.store.events;
    switch (list.phase) {
      case "new":
      case "loading":
        return [h("p", { class: "muted", role: "status" }, "Loading events…")];
      case "nothing kept":
        return [
          h("h3", {}, "Nothing is kept"),
          h("p", {}, "This monitor is set to store nothing (storage.enabled is off in its settings), so there are no events to look back at. Alerts are shown as they happen."),
        ];
      case "failed":
        return [
          h("h3", {}, "The events could not be loaded"),
          h("p", { role: "alert" }, list.error),
          h("button", { type: "button", "data-testid": "events-retry", onclick: () => void this.#context.events.list(list.filter) }, "Try again"),
        ];
      default:
        if (isNarrow(list.filter)) {
          return [
            h("h3", {}, "No event matches"),
            h("button", { type: "button", onclick: () => this.#filters.clear() }, "Show all events"),
          ];
        }
        return [
          h("div", {}, icon("clear")),
          h("h3", {}, "No events yet"),
          h("p", {}, "When an alert is raised, it is listed here with its evidence: the scores, the faces, and the video around it."),
        ];
    }
  }

  #onNews() {
    const before = new Set(this.#shown.keys());
    scrollTo({ top: 0 });
    this.#context.store.events.showNews();
    const first = [...this.#rows.children].find((row) => row instanceof EventRow && !before.has(row.eventId));
    if (first instanceof EventRow) first.focusLink();
  }

  async #onOlder() {
    const before = this.#rows.children.length;
    const focused = document.activeElement === this.#older;
    await this.#context.events.older();
    const first = this.#rows.children[before];
    if (focused && this.#older.hidden && first instanceof EventRow) first.focusLink(); // the button has gone
  }

  #tick() {
    if (this.#open) for (const row of this.#shown.values()) row.tick();
  }
}

customElements.define("event-list", EventList);
