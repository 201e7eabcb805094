/** @import { Context, MonitorEvent } from "../core/types.js" */
import { h, icon, setAttribute, setIcon, setText } from "../core/dom.js";
import { timeOf } from "./event-time.js";
import { eventLength, eventTitle, kindView, markView, shortTime, stateView, whatWords } from "./event-words.js";
import { percent, SCORE_MEANING } from "../core/format.js";
import { MarkChoice } from "./mark-choice.js";
import { errorLine } from "../core/modal.js";
import { eventAddress } from "../core/route.js";

/** `<event-row>`: one event of the list, with a link to its evidence and what operators make of it. */
export class EventRow extends HTMLElement {
  #context;
  #id;
  #kindShape = icon("info");
  #what = h("span");
  #link;
  #stream = h("span", { class: "event-stream" });
  #face = h("span", { class: "muted" });
  #when = h("div", { class: "event-when" });
  #length = h("div", { class: "event-length" });
  #score = h("span");
  #stateShape = icon("state-ended");
  #stateWords = h("span");
  #state = h("span", { class: "badge", "data-testid": "event-state" }, this.#stateShape, this.#stateWords);
  #markShape = icon("not-scored");
  #mark = h("div", { class: "event-mark" }, this.#markShape);
  #choice;
  #error = errorLine("events-mark-error");
  /** @type {MonitorEvent | null} */
  #shown = null;

  /**
   * @param {Context} context
   * @param {MonitorEvent} event
   */
  constructor(context, event) {
    super();
    this.#context = context;
    this.#id = event.id;
    this.dataset.testid = "event-row";
    this.dataset.eventId = event.id;
    setAttribute(this, "role", "listitem");
    this.#choice = new MarkChoice(context, event.id, (error) => this.#error.show(error));
    this.#mark.append(this.#choice);
    this.#link = h("a", { href: eventAddress(event.id), "data-testid": "event-link" }, this.#what);
    this.#when.append(h("span", { class: "visually-hidden" }, "Began "), timeOf(event.started_at, shortTime));
    this.append(
      h("div", { class: "event-what" }, this.#kindShape, this.#link),
      h("div", { class: "event-where" }, this.#stream, this.#face),
      this.#when,
      this.#length,
      h("div", { class: "event-score", title: SCORE_MEANING }, h("span", { class: "score-name" }, "Highest "), this.#score),
      h("div", { class: "event-state" }, this.#state),
      this.#mark,
      this.#error.element,
    );
    this.show(event);
  }

  get eventId() {
    return this.#id;
  }

  /** The keyboard goes to its link. */
  focusLink() {
    this.#link.focus();
  }

  /** @param {MonitorEvent} event the same one as before costs nothing: a long list is shown again with each message */
  show(event) {
    if (event === this.#shown) return this.tick();
    this.#shown = event;
    const [kind, state, mark] = [kindView(event.kind), stateView(event.state), markView(event.mark)];
    setAttribute(this, "data-tone", kind.tone);
    setAttribute(this, "data-state", event.state);
    setIcon(this.#kindShape, kind.icon);
    setText(this.#what, whatWords(event));
    setAttribute(this.#link, "aria-label", eventTitle(event)); // begins with the words that are seen
    setText(this.#stream, event.stream_id);
    setText(this.#face, event.face_id === null ? "" : `face ${event.face_id}`);
    setText(this.#score, percent(event.peak_probability));
    setAttribute(this.#state, "data-tone", state.tone);
    setAttribute(this.#state, "title", state.meaning);
    setIcon(this.#stateShape, state.icon);
    setText(this.#stateWords, state.words);
    setAttribute(this.#mark, "data-tone", mark.tone);
    setAttribute(this.#mark, "title", event.mark_note || null);
    setIcon(this.#markShape, mark.icon);
    this.#choice.show(event);
    return this.tick();
  }

  /** Time passes. */
  tick() {
    const { store } = this.#context;
    const event = store.events.get(this.#id);
    if (event) setText(this.#length, eventLength(event, store.clock.now()));
  }
}

customElements.define("event-row", EventRow);
