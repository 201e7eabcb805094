/** @import { Context, MonitorEvent, ReviewMark } from "../core/types.js" */
import { h, icon, setAttribute, setText } from "../core/dom.js";
import { isMissing, wordsOf } from "./event-desk.js";
import { MARKS, localTime, markView } from "./event-words.js";
import { errorLine } from "../core/modal.js";

const MAX_NOTE = 2000;
/** From here on it is told how much room is left. */
const NEARLY_FULL = 200;

/** `<mark-form>`: what an operator makes of an event, with a note. */
export class MarkForm extends HTMLElement {
  #context;
  #id;
  /** @type {Map<ReviewMark, HTMLButtonElement>} */
  #marks = new Map();
  #note = h("textarea", { id: "event-note", rows: 3, maxlength: MAX_NOTE, "data-testid": "mark-note", "aria-describedby": "event-note-room", oninput: () => this.#renderNote() });
  #room = h("p", { class: "help", id: "event-note-room" });
  #saveNote = h("button", { type: "button", class: "small", "data-testid": "save-note", onclick: () => void this.#onSaveNote() }, "Save the note");
  #back = h("button", { type: "button", class: "small", "data-testid": "mark-back", onclick: () => void this.#mark(null) }, "Take the mark back");
  #when = h("p", { class: "muted", "data-testid": "marked-when" });
  #error = errorLine("mark-error");
  /** As the server has it: what is being saved may yet be refused. */
  #savedNote = "";

  /**
   * @param {Context} context
   * @param {string} id
   */
  constructor(context, id) {
    super();
    this.#context = context;
    this.#id = id;
    for (const [name, view] of Object.entries(MARKS)) {
      const mark = /** @type {ReviewMark} */ (name);
      const button = h("button", { type: "button", "data-tone": view.tone, "data-testid": `mark-${name.replace(" ", "-")}`, onclick: () => void this.#mark(mark) }, icon(view.icon), view.words);
      this.#marks.set(mark, button);
    }
    this.append(
      h("h3", { id: "mark-title" }, "What was it?"),
      h("div", { class: "marks", role: "group", "aria-labelledby": "mark-title" }, ...this.#marks.values()),
      this.#when,
      h("div", { class: "field" }, h("label", { for: "event-note" }, "Note (optional)"), this.#note, this.#room),
      h("div", { class: "mark-actions" }, this.#saveNote, this.#back),
      this.#error.element,
    );
  }

  /** @param {MonitorEvent} event */
  show(event) {
    for (const [mark, button] of this.#marks) setAttribute(button, "aria-pressed", String(event.mark === mark));
    const back = event.mark === null;
    if (back && document.activeElement === this.#back) [...this.#marks.values()][0]?.focus(); // it goes away
    this.#back.hidden = back;
    setText(this.#when, event.marked_at === null || event.mark === null ? "" : `${markView(event.mark).words}, marked ${localTime(event.marked_at)}`);
    const saved = (this.#context.store.events.told(this.#id) ?? event).mark_note;
    if (this.#note.value === this.#savedNote) this.#note.value = saved; // nobody is writing
    this.#savedNote = saved;
    this.#renderNote();
  }

  #renderNote() {
    const left = MAX_NOTE - this.#note.value.length;
    setText(this.#room, left < NEARLY_FULL ? `${left} characters left` : "");
    this.#saveNote.disabled = this.#note.value === this.#savedNote;
  }

  async #onSaveNote() {
    const { store } = this.#context;
    await this.#mark(store.events.get(this.#id)?.mark ?? null, "The note was saved.");
    if (this.#saveNote.disabled && document.activeElement === document.body) this.#note.focus();
  }

  /**
   * @param {ReviewMark | null} mark
   * @param {string} [said]
   */
  async #mark(mark, said) {
    const { store, events } = this.#context;
    this.#error.show("");
    try {
      await events.mark(this.#id, mark, this.#note.value);
      store.say(said ?? (mark === null ? "The mark was taken back." : `Marked as ${markView(mark).words.toLowerCase()}.`));
    } catch (error) {
      if (isMissing(error)) return; // the page says so
      this.#error.show(`Not saved: ${wordsOf(error)}`);
    }
  }
}

customElements.define("mark-form", MarkForm);
