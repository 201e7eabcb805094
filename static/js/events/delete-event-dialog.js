/** @import { Context } from "../core/types.js" */
import { h, setText } from "../core/dom.js";
import { wordsOf } from "./event-desk.js";
import { eventTitle } from "./event-words.js";
import { errorLine, makeModal } from "../core/modal.js";

/** `<delete-event-dialog>`: asks before an event and its evidence are deleted. */
export class DeleteEventDialog extends HTMLElement {
  #context;
  #id = "";
  #question = h("p");
  #error = errorLine("delete-event-error");
  #confirm = h("button", { type: "button", class: "danger", "data-testid": "confirm-delete-event", onclick: () => void this.#onConfirm() }, "Delete");
  #keep = h("button", { type: "button", onclick: () => this.#dialog.close() }, "Keep");
  /** @type {HTMLDialogElement} */
  #dialog = makeModal("Delete event", [this.#question, this.#error.element, h("div", { class: "dialog-actions" }, this.#keep, this.#confirm)]);

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    this.append(this.#dialog);
  }

  /** @param {string} id */
  open(id) {
    const event = this.#context.store.events.get(id);
    if (!event) return;
    this.#id = id;
    this.#error.show("");
    setText(this.#question, `Delete “${eventTitle(event)}” with its scores, pictures and clip, for everyone and for good?`);
    this.#dialog.showModal();
    this.#keep.focus(); // Enter must not delete anything by accident
  }

  async #onConfirm() {
    this.#confirm.disabled = true;
    try {
      await this.#context.events.remove(this.#id);
      this.#dialog.close();
      this.#context.store.say("The event was deleted.");
      location.hash = "#/events";
    } catch (error) {
      this.#error.show(wordsOf(error));
    } finally {
      this.#confirm.disabled = false;
    }
  }
}

customElements.define("delete-event-dialog", DeleteEventDialog);
