/** @import { Store } from "./store.js" */
import { h, setText } from "./dom.js";
import { percent, pictureTrouble } from "./format.js";

/** Says aloud, for screen readers, what the page shows in colour and movement: each change once, not each second. */
export class Announcer {
  #polite = h("div", { role: "status", "aria-live": "polite", class: "visually-hidden", "data-testid": "announcer" });
  #urgent = h("div", { role: "alert", "aria-live": "assertive", class: "visually-hidden" });
  #store;
  #connection;
  /** @type {Set<string>} */
  #raised = new Set();
  /** @type {(() => void)[]} */
  #ends;

  /**
   * @param {Store} store
   * @param {HTMLElement} place
   */
  constructor(store, place) {
    this.#store = store;
    this.#connection = store.connection.state;
    place.append(this.#polite, this.#urgent);
    this.#ends = [store.subscribe("connection", () => this.#onConnection()), store.subscribe("alerts", () => this.#onAlerts()), store.subscribe("said", () => setText(this.#polite, store.said))];
  }

  close() {
    for (const end of this.#ends) end();
    this.#polite.remove();
    this.#urgent.remove();
  }

  #onConnection() {
    const { state, regained } = this.#store.connection;
    if (state === this.#connection) return;
    this.#connection = state;
    if (state === "lost") setText(this.#polite, "Connection to the server lost. Retrying.");
    else if (state === "connected") setText(this.#polite, regained ? "Connection regained." : "Connected.");
  }

  #onAlerts() {
    const raised = this.#store.alerts().filter((alert) => !alert.over);
    const keys = new Set(raised.map((alert) => `${alert.stream_id}/${alert.face_id}`));
    for (const alert of raised) {
      if (this.#raised.has(`${alert.stream_id}/${alert.face_id}`)) continue;
      setText(this.#urgent, `Alert: face ${alert.face_id} of ${alert.stream_id} looks manipulated, ${percent(alert.fake_probability)}.`);
    }
    for (const stream of this.#store.pictureAlerts()) {
      const { stream_id } = stream;
      const picture = pictureTrouble(stream);
      keys.add(`${stream_id}/${picture}`);
      if (!this.#raised.has(`${stream_id}/${picture}`)) setText(this.#urgent, `Alert: ${picture} from ${stream_id}.`);
    }
    this.#raised = keys;
  }
}
