/** @import { Sensitivity, StreamMessage } from "./types.js" */
/** @import { Store } from "./store.js" */
import { setSensitivity } from "./api.js";
import { h } from "./dom.js";

const MEANING = "How easily alerts of this stream are raised, until it is removed. Eager: sooner, also under 50 %, and more often for nothing.";

/** `<sensitivity-choice>`: how easily one stream's alerts are raised. */
export class SensitivityChoice extends HTMLElement {
  #store;
  #streamId;
  /** @type {Sensitivity} */
  #shown = "balanced";
  /** @type {StreamMessage | null} */
  #info = null;
  #select;

  /**
   * @param {Store} store
   * @param {string} streamId
   */
  constructor(store, streamId) {
    super();
    this.#store = store;
    this.#streamId = streamId;
    this.#select = h(
      "select",
      { "aria-label": `How easily alerts of ${streamId} are raised`, title: MEANING, "data-testid": "sensitivity", onchange: () => void this.#onChange() },
      h("option", { value: "quiet" }, "Alerts: quiet"),
      h("option", { value: "balanced" }, "Alerts: balanced"),
      h("option", { value: "eager" }, "Alerts: eager"),
    );
    this.#select.value = this.#shown;
    this.append(this.#select);
  }

  /** @param {StreamMessage} info a new one says what the server has now; what is being changed stays as it is */
  show(info) {
    if (this.#select.disabled || info === this.#info) return;
    this.#info = info;
    this.#shown = info.sensitivity;
    this.#select.value = info.sensitivity;
  }

  async #onChange() {
    const wanted = /** @type {Sensitivity} */ (this.#select.value);
    this.#select.disabled = true;
    try {
      this.#shown = (await setSensitivity(this.#streamId, wanted)).sensitivity;
    } catch (error) {
      this.#store.notice("warning", `The alerts of ${this.#streamId} are as they were: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#select.disabled = false;
      this.#select.value = this.#shown;
      if (document.activeElement === document.body) this.#select.focus(); // what is disabled loses the focus
    }
  }
}

customElements.define("sensitivity-choice", SensitivityChoice);
