/** @import { Context } from "../core/types.js" */
import { h, icon } from "../core/dom.js";
import { StreamCard } from "./stream-card.js";

/**
 * @typedef {object} GridActions
 * @property {() => void} addCamera
 * @property {() => void} shareWebcam
 * @property {() => void} checkVideo
 * @property {(streamId: string) => void} remove
 */

/** `<stream-grid>`: a card for every stream, or what to do when there is none. */
export class StreamGrid extends HTMLElement {
  #context;
  #actions;
  /** @type {(() => void)[]} */
  #ends;
  #grid = h("div", { class: "grid" });
  #empty;
  #waiting = h("p", { class: "waiting muted", role: "status" }, "Connecting to the server…");
  /** @type {Map<string, StreamCard>} */
  #cards = new Map();

  /**
   * @param {Context} context
   * @param {GridActions} actions
   */
  constructor(context, actions) {
    super();
    this.#context = context;
    this.#actions = actions;
    this.#empty = h(
      "section",
      { class: "empty", "data-testid": "empty-state", "aria-labelledby": "empty-title" },
      h("h2", { id: "empty-title" }, "Nothing is being watched yet"),
      h("p", { class: "muted" }, "Every face in a stream is followed, and after 16 pictures of it a score appears that moves with each new one."),
      h(
        "div",
        { class: "empty-actions" },
        action("camera", "Add a camera", "An RTSP, RTMP or HTTP address", "empty-add-camera", actions.addCamera),
        action("webcam", "Share your webcam", "Straight from this browser", "empty-share-webcam", actions.shareWebcam),
        action("film", "Check a video", "A file from your computer", "empty-check-video", actions.checkVideo),
      ),
    );
    this.append(this.#waiting, this.#empty, this.#grid);
    this.#ends = ["streams", "server"].map((topic) => context.store.subscribe(topic, () => this.#render()));
    this.#render();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    for (const end of this.#ends) end();
  }

  #render() {
    const { store } = this.#context;
    const ids = store.streamIds();
    for (const [streamId, card] of this.#cards) {
      if (ids.includes(streamId)) continue;
      card.remove();
      this.#cards.delete(streamId);
    }
    for (const [index, streamId] of ids.entries()) {
      const card = this.#cards.get(streamId) ?? new StreamCard(this.#context, streamId, this.#actions);
      this.#cards.set(streamId, card);
      // only cards that are new are put anywhere: a moved card would be disconnected, and with it its socket
      if (!card.isConnected) this.#grid.insertBefore(card, this.#grid.children[index] ?? null);
    }
    this.#waiting.hidden = store.server !== null;
    this.#empty.hidden = store.server === null || ids.length > 0;
    this.#grid.hidden = ids.length === 0;
  }
}

/**
 * @param {string} shape
 * @param {string} title
 * @param {string} words
 * @param {string} testId
 * @param {() => void} onclick
 */
function action(shape, title, words, testId, onclick) {
  return h("button", { type: "button", class: "big-action", "data-testid": testId, onclick }, icon(shape), h("strong", {}, title), h("span", {}, words));
}

customElements.define("stream-grid", StreamGrid);
