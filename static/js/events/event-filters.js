/** @import { Store } from "../core/store.js" */
/** @import { EventFilter } from "./event-filter.js" */
import { h } from "../core/dom.js";
import { isNarrow } from "./event-filter.js";
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
  #from = day("from", "From");
  #to = day("to", "To");
  #all = h("button", { type: "button", class: "small", hidden: true, "data-testid": "filter-clear", onclick: () => this.clear() }, "Show all");

  /**
   * @param {Store} store
   * @param {(filter: EventFilter) => void} onChange
   */
  constructor(store, onChange) {
    super();
    this.#store = store;
    this.#onChange = onChange;
    for (const choice of this.#choices()) choice.addEventListener("change", () => this.#apply());
    const selects = [this.#stream, this.#kind, this.#state, this.#mark];
    const days = [this.#from, this.#to].map((input) => h("label", { class: "event-day" }, h("span", {}, input.name), input));
    this.append(h("div", { class: "event-filters", role: "group", "aria-label": "Which events are listed" }, ...selects, ...days, this.#all));
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
    for (const choice of this.#choices()) choice.value = "";
    this.#stream.focus(); // the button that was pressed goes away
    this.#apply();
  }

  #choices() {
    return [this.#stream, this.#kind, this.#state, this.#mark, this.#from, this.#to];
  }

  #apply() {
    /** @type {EventFilter} */
    const filter = {
      stream: this.#stream.value,
      kind: this.#kind.value,
      state: this.#state.value,
      mark: this.#mark.value,
      from: this.#from.value,
      to: this.#to.value,
    };
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

/**
 * @param {string} name for tests
 * @param {string} words
 */
function day(name, words) {
  return h("input", { type: "date", name: words, title: `${words} the day on which an event began`, "data-testid": `filter-${name}` });
}

customElements.define("event-filters", EventFilters);
