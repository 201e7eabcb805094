/** @import { Context } from "./types.js" */
import { h, setText } from "./dom.js";
import { counted, droppedWords, milliseconds } from "./format.js";

/** `<status-bar>`: what computes, with which network, how fast, and what had to be dropped. */
export class StatusBar extends HTMLElement {
  #context;
  /** @type {(() => void)[]} */
  #ends;
  #values = {
    device: fact("Device", "device"),
    model: fact("Model", "model"),
    scores: fact("Scores", "scores-per-s"),
    latency: fact("Latency", "latency-p95"),
    dropped: fact("Dropped", "dropped"),
    viewers: fact("Viewers", "viewers"),
  };
  #coverage = h("p", { class: "muted", "data-testid": "coverage" });

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    this.append(h("h2", { class: "visually-hidden" }, "Server"), h("dl", {}, ...Object.values(this.#values).map(({ element }) => element)), this.#coverage);
    this.#ends = ["server", "stats"].map((topic) => context.store.subscribe(topic, () => this.#render()));
    this.#render();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    for (const end of this.#ends) end();
  }

  #render() {
    const { server, stats } = this.#context.store;
    const { device, model, scores, latency, dropped, viewers } = this.#values;
    device.show(stats?.device ?? server?.device ?? "");
    model.show(stats?.model ?? server?.model ?? "", server ? `${server.name} ${server.version}` : "");
    scores.show(stats ? `${stats.scores_per_s.toFixed(1)} per second` : "", stats ? `${counted(stats.scores_total, "score")} since the start` : "");
    latency.show(stats?.latency_ms ? `${milliseconds(stats.latency_ms.p50)} median, ${milliseconds(stats.latency_ms.p95)} p95` : "");
    dropped.show(...droppedWords(stats));
    setText(this.#coverage, server?.coverage ? `Finding nothing proves nothing. ${server.coverage}` : "");
    this.#coverage.hidden = !server?.coverage;
    viewers.show(stats ? String(stats.viewers) : "");
  }
}

/**
 * @param {string} name
 * @param {string} testId
 */
function fact(name, testId) {
  const value = h("dd", { "data-testid": testId });
  const element = h("div", {}, h("dt", {}, name), value);
  return {
    element,
    /**
     * @param {string} text
     * @param {string} [title]
     */
    show(text, title = "") {
      element.hidden = text === "";
      setText(value, text);
      value.title = title;
    },
  };
}

customElements.define("status-bar", StatusBar);
