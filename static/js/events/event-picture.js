/** @import { PartInfo } from "../core/types.js" */
import { partAddress } from "../core/api.js";
import { h, setAttribute } from "../core/dom.js";
import { PART_RETRY_PAUSES_S, retryPauseMs } from "../core/retry.js";

/** `<event-picture>`: one picture of an event's evidence; comes again when it is made anew. */
export class EventPicture extends HTMLElement {
  #eventId;
  #sum = "";
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #image;
  #trouble = h("p", { class: "picture-trouble", hidden: true }, "This picture could not be loaded.");

  /**
   * @param {string} eventId
   * @param {string} words what it shows, for those who cannot see it
   * @param {string} caption
   */
  constructor(eventId, words, caption) {
    super();
    this.#eventId = eventId;
    this.#image = h("img", { alt: words, decoding: "async" });
    this.append(h("figure", {}, this.#image, this.#trouble, h("figcaption", { class: "muted" }, caption)));
    this.hidden = true;
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    clearTimeout(this.#timer);
    this.#image.onerror = null;
  }

  /** @param {PartInfo | undefined} part undefined: there is none */
  show(part) {
    this.hidden = part === undefined;
    if (part === undefined || part.sha256 === this.#sum) return;
    this.#sum = part.sha256;
    this.#attempt = 0;
    clearTimeout(this.#timer);
    this.#load(partAddress(this.#eventId, part));
  }

  /** @param {string} address */
  #load(address) {
    this.#trouble.hidden = true;
    this.#image.hidden = false;
    // what is told of live is written a moment later
    this.#image.onerror = () => this.#onError(address);
    setAttribute(this.#image, "src", this.#attempt === 0 ? address : `${address}&attempt=${this.#attempt}`);
  }

  /** @param {string} address */
  #onError(address) {
    if (this.#attempt >= PART_RETRY_PAUSES_S.length) {
      this.#image.hidden = true;
      this.#trouble.hidden = false;
      return;
    }
    this.#timer = setTimeout(() => this.#load(address), retryPauseMs(PART_RETRY_PAUSES_S, this.#attempt));
    this.#attempt += 1;
  }
}

customElements.define("event-picture", EventPicture);
