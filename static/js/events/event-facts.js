/** @import { MonitorEvent } from "../core/types.js" */
import { h } from "../core/dom.js";
import { eventLength, rulesWords, sourceWords } from "./event-words.js";
import { timeOf } from "./event-time.js";
import { percent } from "../core/format.js";

/** So much of a sum is shown; all of it where one points at it. */
const SUM_DIGITS = 12;

/** `<event-facts>`: when, how high, from where, by which rules and which network. */
export class EventFacts extends HTMLElement {
  #list = h("dl");
  #notes = h("ul", { class: "event-notes", "aria-label": "What is missing from the evidence" });
  #shown = "";

  constructor() {
    super();
    this.dataset.testid = "event-facts";
    this.append(this.#list, this.#notes);
  }

  /**
   * @param {MonitorEvent} event
   * @param {number} nowS server clock, Unix seconds
   */
  show(event, nowS) {
    const shown = JSON.stringify([{ ...event, parts: [] }, eventLength(event, nowS)]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#list.replaceChildren(...facts(event, nowS).flatMap(([name, value]) => (value ? [h("div", {}, h("dt", {}, name), h("dd", {}, value))] : [])));
    this.#notes.replaceChildren(...event.notes.map((note) => h("li", {}, `Missing: ${note}`)));
    this.#notes.hidden = event.notes.length === 0;
  }
}

/**
 * @param {MonitorEvent} event
 * @param {number} nowS
 * @returns {[string, Node | string | null][]}
 */
function facts(event, nowS) {
  const sum = event.weights_sha256;
  return [
    ["Began", timeOf(event.started_at)],
    [event.state === "interrupted" ? "Last seen" : "Ended", event.ended_at === null ? null : timeOf(event.ended_at)],
    ["Went on for", eventLength(event, nowS)],
    ["Highest score", event.peak_probability === null ? null : highest(event)],
    ["Scores", event.scores > 0 ? event.scores.toLocaleString("en") : null],
    ["Raised by", event.rules ? rulesWords(event.rules) : null],
    ["Source", sourceWords(event) || null],
    ["Private", event.private ? "Yes: no pictures of this stream are kept" : null],
    ["Network", event.model || null],
    ["Weights", sum ? h("code", { title: `sha256 ${sum}` }, `sha256 ${sum.slice(0, SUM_DIGITS)}…`) : null],
    ["Version", event.version ? `deepfake-monitor ${event.version}` : null],
    ["Event", h("code", {}, event.id)],
  ];
}

/** @param {MonitorEvent} event */
function highest({ peak_probability, peak_at }) {
  const words = percent(peak_probability);
  return peak_at === null ? words : h("span", {}, `${words}, `, timeOf(peak_at));
}

customElements.define("event-facts", EventFacts);
