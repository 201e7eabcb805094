import { removeStream } from "./api.js";
import { h, setText } from "./dom.js";
import { errorLine, makeModal } from "./modal.js";

/** `<remove-dialog>`: asks before a stream is taken away. */
export class RemoveDialog extends HTMLElement {
  #streamId = "";
  #question = h("p");
  #error = errorLine("remove-error");
  #confirm = h("button", { type: "button", class: "danger", "data-testid": "confirm-remove", onclick: () => void this.#onConfirm() }, "Remove");
  #dialog = makeModal("Remove stream", [
    this.#question,
    this.#error.element,
    h("div", { class: "dialog-actions" }, h("button", { type: "button", autofocus: true, onclick: () => this.#dialog.close() }, "Keep"), this.#confirm),
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
