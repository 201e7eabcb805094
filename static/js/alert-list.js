/** @import { Context } from "./types.js" */
import { h, icon } from "./dom.js";
import { SCORE_MEANING, capital, percent } from "./format.js";

/** Alerts that are over stay listed for a while, so that nobody misses one by looking away. */
const SHOW_OVER = 3;

/** `<alert-list>`: faces that look manipulated now, and those that did a moment ago; each leads to its stream. */
export class AlertList extends HTMLElement {
  #context;
  #list = h("ul");
  #end;

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    this.dataset.testid = "alert-list";
    this.append(h("h2", { class: "visually-hidden" }, "Alerts"), this.#list);
    this.#end = context.store.subscribe("alerts", () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    this.#end();
  }

  #render() {
    const alerts = this.#context.store.alerts();
    const pictures = this.#context.store.pictureAlerts();
    const raised = alerts.filter((alert) => !alert.over);
    const over = alerts.filter((alert) => alert.over).slice(0, SHOW_OVER);
    this.hidden = pictures.length + raised.length + over.length === 0;
    this.#list.replaceChildren(...pictures.map(pictureItem), ...[...raised, ...over].map(item));
  }
}

/** @param {number} at Unix seconds */
function sinceTime(at) {
  const since = new Date(at * 1000);
  const clock = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return h("time", { datetime: since.toISOString() }, `since ${clock}`);
}

/** @param {import("./types.js").StreamMessage} stream */
function pictureItem(stream) {
  const name = stream.stream_id;
  return h(
    "li",
    { "data-tone": "alert", "data-testid": "alert", "data-over": false },
    icon("alert"),
    h("span", { class: "alert-words" }, capital(stream.picture ?? "")),
    h("button", { type: "button", class: "link-button", onclick: () => goTo(name) }, name),
    sinceTime(stream.picture_since ?? stream.at),
  );
}

/** @param {import("./store.js").AlertRecord} alert */
function item(alert) {
  return h(
    "li",
    { "data-tone": alert.over ? "neutral" : "alert", "data-testid": "alert", "data-over": alert.over },
    icon(alert.over ? "clear" : "alert"),
    h("span", { class: "alert-words" }, alert.over ? "Alert over" : "Looks manipulated"),
    h("button", { type: "button", class: "link-button", onclick: () => goTo(alert.stream_id) }, `${alert.stream_id}, face ${alert.face_id}`),
    h("span", { class: "alert-score", title: SCORE_MEANING }, percent(alert.fake_probability)),
    sinceTime(alert.started_at),
  );
}

/** @param {string} streamId */
function goTo(streamId) {
  location.hash = "#live";
  const card = document.querySelector(`stream-card[data-stream-id="${CSS.escape(streamId)}"]`);
  if (!(card instanceof HTMLElement)) return;
  card.tabIndex = -1;
  card.scrollIntoView({ block: "center" });
  card.focus({ preventScroll: true });
}

customElements.define("alert-list", AlertList);
