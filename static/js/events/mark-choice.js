/** @import { Context, MonitorEvent, ReviewMark } from "../core/types.js" */
import { h, setAttribute } from "../core/dom.js";
import { wordsOf } from "./event-desk.js";
import { MARKS, NO_MARK, eventTitle, markView } from "./event-words.js";

/** `<mark-choice>`: what an operator makes of an event, as one small list to choose from. */
export class MarkChoice extends HTMLElement {
  #context;
  #id;
  #onError;
  #select;

  /**
   * @param {Context} context
   * @param {string} id
   * @param {(error: string) => void} onError words about a mark that could not be set; "" for one that could
   */
  constructor(context, id, onError) {
    super();
    this.#context = context;
    this.#id = id;
    this.#onError = onError;
    const marks = Object.entries(MARKS).map(([mark, { words }]) => h("option", { value: mark }, words));
    this.#select = h(
      "select",
      { "data-testid": "event-mark", onchange: () => void this.#onChange() },
      h("option", { value: "" }, NO_MARK.words),
      ...marks,
    );
    this.append(this.#select);
  }

  /** @param {MonitorEvent} event */
  show(event) {
    setAttribute(this.#select, "aria-label", `Mark of: ${eventTitle(event)}`);
    const value = event.mark ?? "";
    if (this.#select.value !== value) this.#select.value = value;
  }

  async #onChange() {
    const { store, events } = this.#context;
    const event = store.events.get(this.#id);
    if (!event) return;
    const mark = this.#select.value === "" ? null : /** @type {ReviewMark} */ (this.#select.value);
    try {
      await events.mark(this.#id, mark, event.mark_note);
      this.#onError("");
      store.say(mark === null ? `The mark of ${eventTitle(event)} was taken back.` : `${eventTitle(event)}: marked as ${markView(mark).words.toLowerCase()}.`);
    } catch (error) {
      this.#onError(`Not marked: ${wordsOf(error)}`);
    }
  }
}

customElements.define("mark-choice", MarkChoice);
