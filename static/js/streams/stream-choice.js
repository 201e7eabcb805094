/** @import { Sensitivity, StreamMessage } from "../core/types.js" */
/** @import { Store } from "../core/store.js" */
import { changeStream } from "../core/api.js";
import { h } from "../core/dom.js";

/**
 * What one choice is about.
 *
 * @typedef {object} Subject
 * @property {string} name for tests
 * @property {(streamId: string) => string} label
 * @property {string} meaning
 * @property {[string, string][]} options values and their words
 * @property {(info: StreamMessage) => string} of the value that the server has
 * @property {(value: string) => Parameters<typeof changeStream>[1]} change
 * @property {(streamId: string) => string} failed
 */

/** How easily alerts are raised. @type {Subject} */
const SENSITIVITY = {
  name: "sensitivity",
  label: (streamId) => `How easily alerts of ${streamId} are raised`,
  meaning: "How easily alerts of this stream are raised, until it is removed. Eager: sooner, also under 50 %, and more often for nothing.",
  options: [
    ["quiet", "Alerts: quiet"],
    ["balanced", "Alerts: balanced"],
    ["eager", "Alerts: eager"],
  ],
  of: (info) => info.sensitivity,
  change: (value) => ({ sensitivity: /** @type {Sensitivity} */ (value) }),
  failed: (streamId) => `The alerts of ${streamId} are as they were`,
};

/** Whether pictures are kept. @type {Subject} */
const PRIVACY = {
  name: "privacy",
  label: (streamId) => `Whether pictures of ${streamId} are kept as evidence`,
  meaning:
    "Whether pictures of this stream are kept as evidence of alerts, until the server restarts. Not kept: only scores are, and the pictures of an event that goes on are deleted.",
  options: [
    ["kept", "Pictures: kept"],
    ["not kept", "Pictures: not kept"],
  ],
  of: (info) => (info.privacy ? "not kept" : "kept"),
  change: (value) => ({ privacy: value === "not kept" }),
  failed: (streamId) => `Whether pictures of ${streamId} are kept is as it was`,
};

/** `<stream-choice>`: one thing that can be chosen of a stream. */
export class StreamChoice extends HTMLElement {
  #store;
  #streamId;
  #subject;
  #shown = "";
  /** @type {StreamMessage | null} */
  #info = null;
  #select;

  /**
   * @param {Store} store
   * @param {string} streamId
   * @param {Subject} subject
   */
  constructor(store, streamId, subject) {
    super();
    this.#store = store;
    this.#streamId = streamId;
    this.#subject = subject;
    this.#select = h(
      "select",
      { "aria-label": subject.label(streamId), title: subject.meaning, "data-testid": subject.name, onchange: () => void this.#onChange() },
      ...subject.options.map(([value, words]) => h("option", { value }, words)),
    );
    this.append(this.#select);
  }

  /** @param {StreamMessage} info a new one says what the server has now; what is being changed stays as it is */
  show(info) {
    if (this.#select.disabled || info === this.#info) return;
    this.#info = info;
    this.#shown = this.#subject.of(info);
    this.#select.value = this.#shown;
  }

  async #onChange() {
    const { of, change, failed } = this.#subject;
    const wanted = this.#select.value;
    this.#select.disabled = true;
    try {
      this.#shown = of(await changeStream(this.#streamId, change(wanted)));
    } catch (error) {
      this.#store.notice("warning", `${failed(this.#streamId)}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#select.disabled = false;
      this.#select.value = this.#shown;
      if (document.activeElement === document.body) this.#select.focus(); // what is disabled loses the focus
    }
  }
}

customElements.define("stream-choice", StreamChoice);

/**
 * @param {Store} store
 * @param {string} streamId
 */
export function sensitivityChoice(store, streamId) {
  return new StreamChoice(store, streamId, SENSITIVITY);
}

/**
 * @param {Store} store
 * @param {string} streamId
 */
export function privacyChoice(store, streamId) {
  return new StreamChoice(store, streamId, PRIVACY);
}
