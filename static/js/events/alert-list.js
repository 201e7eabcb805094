/** @import { Context } from "../core/types.js" */
import { h, icon } from "../core/dom.js";
import { eventAddress } from "../core/route.js";
import { SCORE_MEANING, capital, percent, pictureTrouble } from "../core/format.js";

/** Alerts that are over stay listed for a while, so that nobody misses one by looking away. */
const SHOW_OVER = 3;

/** `<alert-list>`: faces that look manipulated now, and those that did a moment ago; each leads to its stream. */
export class AlertList extends HTMLElement {
  #context;
  #list = h("ul");
  /** @type {(() => void)[]} */
  #ends;
  #shown = "";

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    this.dataset.testid = "alert-list";
    this.append(h("h2", { class: "visually-hidden" }, "Alerts"), this.#list);
    this.#ends = ["alerts", "events"].map((topic) => context.store.subscribe(topic, () => this.#render()));
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
    const alerts = store.alerts();
    const pictures = store.pictureAlerts();
    const raised = alerts.filter((alert) => !alert.over);
    const over = alerts.filter((alert) => alert.over).slice(0, SHOW_OVER);
    this.hidden = pictures.length + raised.length + over.length === 0;
    const listed = [
      ...pictures.map((stream) => ({ stream, eventId: store.events.ofAlert(stream.stream_id, null, stream.picture_since ?? stream.at)?.id })),
      ...[...raised, ...over].map((alert) => ({ alert, eventId: store.events.ofAlert(alert.stream_id, alert.face_id, alert.started_at)?.id })),
    ];
    const shown = JSON.stringify(listed);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
    this.#list.replaceChildren(...listed.map((one) => ("alert" in one ? item(one.alert, one.eventId) : pictureItem(one.stream, one.eventId))));
    const again = focused ? this.#list.querySelector(`[data-key="${CSS.escape(focused)}"]`) : null;
    if (again instanceof HTMLElement) again.focus();
  }
}

/** @param {number} at Unix seconds */
function sinceTime(at) {
  const since = new Date(at * 1000);
  const clock = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return h("time", { datetime: since.toISOString() }, `since ${clock}`);
}

/**
 * To the evidence of an alert, where there is any.
 *
 * @param {string | undefined} eventId
 * @param {string} of what
 */
function evidenceLink(eventId, of) {
  if (eventId === undefined) return null;
  return h("a", { href: eventAddress(eventId), class: "alert-event", "data-key": eventId, "data-testid": "alert-event" }, "Evidence", h("span", { class: "visually-hidden" }, ` of ${of}`));
}

/**
 * @param {import("../core/types.js").StreamMessage} stream
 * @param {string | undefined} eventId
 */
function pictureItem(stream, eventId) {
  const name = stream.stream_id;
  return h(
    "li",
    { "data-tone": "alert", "data-testid": "alert", "data-over": false },
    icon("alert"),
    h("span", { class: "alert-words" }, capital(pictureTrouble(stream))),
    h("button", { type: "button", class: "link-button", "data-key": name, onclick: () => goTo(name) }, name),
    sinceTime(stream.picture_since ?? stream.at),
    evidenceLink(eventId, name),
  );
}

/**
 * @param {import("../core/store.js").AlertRecord} alert
 * @param {string | undefined} eventId
 */
function item(alert, eventId) {
  const of = `${alert.stream_id}, face ${alert.face_id}`;
  return h(
    "li",
    { "data-tone": alert.over ? "neutral" : "alert", "data-testid": "alert", "data-over": alert.over },
    icon(alert.over ? "clear" : "alert"),
    h("span", { class: "alert-words" }, alert.over ? "Alert over" : "Looks manipulated"),
    h("button", { type: "button", class: "link-button", "data-key": of, onclick: () => goTo(alert.stream_id) }, of),
    h("span", { class: "alert-score", title: SCORE_MEANING }, percent(alert.fake_probability)),
    sinceTime(alert.started_at),
    evidenceLink(eventId, of),
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
