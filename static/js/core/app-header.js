/** @import { Context } from "./types.js" */
/** @import { Route } from "./route.js" */
import { h, icon, setAttribute, setIcon, setText } from "./dom.js";
import { connectionWords, counted } from "./format.js";

/**
 * What the header's buttons do.
 *
 * @typedef {object} Actions
 * @property {() => void} addCamera
 * @property {() => void} shareWebcam
 * @property {() => void} retryNow
 */

/** `<app-header>`: where we are, how the connection stands, and the things one can do. */
export class AppHeader extends HTMLElement {
  #context;
  #actions;
  /** @type {(() => void)[]} */
  #ends;
  #linkShape = icon("state-connecting");
  #linkWords = h("span");
  #link = h("span", { class: "badge", "data-testid": "connection" }, this.#linkShape, this.#linkWords);
  #retry = h("button", { type: "button", class: "small", hidden: true, onclick: () => this.#actions.retryNow() }, "Retry now");
  #counts = h("span", { class: "counts", "data-testid": "counts" });
  #shareWords = h("span");
  #share = h("button", { type: "button", "data-testid": "share-webcam", onclick: () => this.#onShare() }, icon("webcam"), this.#shareWords);
  #tabs;

  /**
   * @param {Context} context
   * @param {Actions} actions
   */
  constructor(context, actions) {
    super();
    this.#context = context;
    this.#actions = actions;
    this.#tabs = [tab("Live", "#live", "live"), tab("Events", "#/events", "events"), tab("Check a video", "#videos", "videos")];
    this.append(
      h("a", { class: "brand", href: "#live" }, icon("logo"), h("span", {}, "Deepfake Monitor")),
      h("nav", { "aria-label": "Views" }, ...this.#tabs),
      h("div", { class: "link" }, this.#link, this.#retry, this.#counts),
      h(
        "div",
        { class: "header-actions" },
        h("button", { type: "button", "data-testid": "add-camera", onclick: actions.addCamera }, icon("camera"), h("span", {}, "Add camera")),
        this.#share,
      ),
    );
    const { store, ticker } = context;
    this.#ends = [
      ...["connection", "streams", "share"].map((topic) => store.subscribe(topic, () => this.#render())),
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

  /** @param {Route["view"]} view that is open */
  showView(view) {
    for (const link of this.#tabs) {
      const current = link.dataset.view === view ? "page" : view === "event" && link.dataset.view === "events" ? "true" : null;
      setAttribute(link, "aria-current", current);
    }
  }

  #onShare() {
    if (this.#context.store.share.phase === "off") this.#actions.shareWebcam();
    else this.#context.share.stop();
  }

  #render() {
    const { connection, share } = this.#context.store;
    const lost = connection.state === "lost";
    setAttribute(this.#link, "data-tone", { connected: "clear", connecting: "progress", lost: "alert" }[connection.state]);
    setAttribute(this.#link, "data-state", connection.state);
    setIcon(this.#linkShape, { connected: "state-live", connecting: "state-connecting", lost: "state-lost" }[connection.state]);
    setText(this.#linkWords, connectionWords(connection, Date.now()));
    this.#retry.hidden = !lost;
    const ids = this.#context.store.streamIds();
    const live = ids.filter((id) => this.#context.store.stream(id)?.info.state === "live").length;
    setText(this.#counts, ids.length === 0 || lost ? "" : `${counted(ids.length, "stream")}, ${live} live`);
    setText(this.#shareWords, share.phase === "off" ? "Share webcam" : "Stop sharing");
    setAttribute(this.#share, "data-sharing", share.phase);
    setAttribute(this.#share, "title", share.streamId ? `Sharing your camera as ${share.streamId}` : null);
  }
}

/**
 * @param {string} words
 * @param {string} href
 * @param {Route["view"]} view
 */
function tab(words, href, view) {
  return h("a", { class: "tab", href, "data-view": view, "data-testid": `tab-${view}` }, words);
}

customElements.define("app-header", AppHeader);
