import { removeStream } from "../core/api.js";
import { h, setText } from "../core/dom.js";
import { errorLine, makeModal } from "../core/modal.js";

/** `<remove-dialog>`: asks before a stream is taken away. */
export class RemoveDialog extends HTMLElement {
  #streamId = "";
  #question = h("p");
  #error = errorLine("remove-error");
  #confirm = h("button", { type: "button", class: "danger", "data-testid": "confirm-remove", onclick: () => void this.#onConfirm() }, "Remove");
  #keep = h("button", { type: "button", onclick: () => this.#dialog.close() }, "Keep");
  /** @type {HTMLDialogElement} */
  #dialog = makeModal("Remove stream", [
    this.#question,
    this.#error.element,
    h("div", { class: "dialog-actions" }, this.#keep, this.#confirm),
  ]);

  constructor() {
    super();
    this.append(this.#dialog);
  }

  /** @param {string} streamId */
  open(streamId) {
    this.#streamId = streamId;
    this.#error.show("");
    setText(this.#question, `Stop watching “${streamId}”? Its faces and scores leave the dashboard for everyone.`);
    this.#dialog.showModal();
    this.#keep.focus(); // Enter must not remove anything by accident
  }

  async #onConfirm() {
    this.#confirm.disabled = true;
    try {
      await removeStream(this.#streamId);
      this.#dialog.close();
    } catch (error) {
      this.#error.show(error instanceof Error ? error.message : String(error));
    } finally {
      this.#confirm.disabled = false;
    }
  }
}

customElements.define("remove-dialog", RemoveDialog);
