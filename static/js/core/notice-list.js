/** @import { Context } from "./types.js" */
import { h, icon } from "./dom.js";
import { deadWords, degradedWords, failingWords, storageWords } from "./format.js";

/** `<notice-list>`: what the operator must know and no card can tell, with the webcam's troubles and missing weights first. */
export class NoticeList extends HTMLElement {
  #context;
  /** @type {(() => void)[]} */
  #ends;
  #shown = "";
  /** Dead letters that were dismissed; more are told again. */
  #deadSeen = 0;

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    const { store, ticker } = context;
    this.#ends = [
      ...["notices", "stats", "server", "share"].map((topic) => store.subscribe(topic, () => this.#render())),
      ticker.subscribe(() => this.#render()),
    ];
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
    const degraded = store.stats?.status === "degraded" ? degradedWords(store.stats.model) : "";
    const storage = storageWords(store.stats);
    const failing = failingWords(store.stats);
    const count = store.stats?.notifications?.dead ?? 0;
    if (count < this.#deadSeen) this.#deadSeen = 0; // the server was started again
    const dead = count > this.#deadSeen ? deadWords(count) : "";
    const left = Math.max(0, Math.ceil(((store.share.retryAtMs ?? 0) - Date.now()) / 1000));
    const sharing =
      store.share.phase === "retrying" ? `Your webcam is not being shared: ${store.share.why}. ${left > 0 ? `Retrying in ${left} s.` : "Retrying…"}` : "";
    const shown = JSON.stringify([degraded, storage, failing, dead, sharing, store.notices()]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.replaceChildren();
    if (degraded) this.append(notice("warning", degraded, "degraded"));
    if (storage) this.append(notice("error", storage, "storage-trouble"));
    if (failing) this.append(notice("warning", failing, "notifications-failing"));
    if (dead) this.append(notice("warning", dead, "notifications-dead", () => this.#dismissDead(count)));
    if (sharing) this.append(notice("warning", sharing, "share-retrying"));
    for (const { id, tone, text } of store.notices()) {
      this.append(notice(tone, text, "notice", () => store.dismiss(id)));
    }
  }

  /** @param {number} count */
  #dismissDead(count) {
    this.#deadSeen = count;
    this.#render();
  }
}

/**
 * @param {import("./types.js").Notice["tone"]} tone
 * @param {string} text
 * @param {string} testId
 * @param {() => void} [dismiss]
 */
function notice(tone, text, testId, dismiss) {
  return h(
    "div",
    { class: "notice", "data-tone": tone, "data-testid": testId },
    icon(tone === "info" ? "info" : "suspicious"),
    h("p", {}, text),
    dismiss && h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", onclick: dismiss }, icon("close")),
  );
}

customElements.define("notice-list", NoticeList);
