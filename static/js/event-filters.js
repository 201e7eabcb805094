/** @import { Store } from "./store.js" */
/** @import { EventFilter } from "./event-filter.js" */
import { h } from "./dom.js";
import { EVERYTHING, isNarrow } from "./event-filter.js";
import { KINDS, MARKS, NO_MARK, STATES } from "./event-words.js";

/** `<event-filters>`: which events are listed. */
export class EventFilters extends HTMLElement {
  #store;
  #onChange;
  #end;
  #stream = choice("stream", "Every stream", []);
  #kind = choice("kind", "Every kind", wordsOf(KINDS));
  #state = choice("state", "Every state", wordsOf(STATES));
  #mark = choice("mark", "Every mark", [["none", NO_MARK.words], ...wordsOf(MARKS)]);
  #all = h("button", { type: "button", class: "small", hidden: true, "data-testid": "filter-clear", onclick: () => this.clear() }, "Show all");

  /**
   * @param {Store} store
   * @param {(filter: EventFilter) => void} onChange
   */
  constructor(store, onChange) {
    super();
    this.#store = store;
    this.#onChange = onChange;
    const choices = [this.#stream, this.#kind, this.#state, this.#mark];
    for (const select of choices) select.addEventListener("change", () => this.#apply());
    this.append(h("div", { class: "event-filters", role: "group", "aria-label": "Which events are listed" }, ...choices, this.#all));
    const ends = ["streams", "events"].map((topic) => store.subscribe(topic, () => this.#addStreams()));
    this.#end = () => ends.forEach((end) => end());
    this.#addStreams();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    this.#end();
  }

  /** Lists everything again. */
  clear() {
    for (const select of [this.#stream, this.#kind, this.#state, this.#mark]) select.value = "";
    this.#stream.focus(); // the button that was pressed goes away
    this.#apply();
  }

  #apply() {
    /** @type {EventFilter} */
    const filter = { ...EVERYTHING, stream: this.#stream.value, kind: this.#kind.value, state: this.#state.value, mark: this.#mark.value };
    this.#all.hidden = !isNarrow(filter);
    this.#onChange(filter);
  }

  /** Streams that are watched, or that have an event in the list; none is taken away again. */
  #addStreams() {
    const known = new Set([...this.#stream.options].map(({ value }) => value));
    for (const id of new Set([...this.#store.streamIds(), ...this.#store.events.listed().map((event) => event.stream_id)])) {
      if (!known.has(id)) this.#stream.append(h("option", { value: id }, id));
    }
  }
}

/**
 * @param {Record<string, { words: string }>} views
 * @returns {[string, string][]}
 */
function wordsOf(views) {
  return Object.entries(views).map(([value, { words }]) => [value, words]);
}

/**
 * @param {string} name
 * @param {string} all
 * @param {[string, string][]} options
 */
function choice(name, all, options) {
  return h(
    "select",
    { "aria-label": name.charAt(0).toUpperCase() + name.slice(1), "data-testid": `filter-${name}` },
    h("option", { value: "" }, all),
    ...options.map(([value, words]) => h("option", { value }, words)),
  );
}

customElements.define("event-filters", EventFilters);
