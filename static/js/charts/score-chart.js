/** @import { ScoreHistory } from "./score-history.js" */
import { drawFaceLines, drawGrid, makePlot } from "./chart-drawing.js";
import { ChartElement } from "./chart-element.js";
import { setAttribute } from "../core/dom.js";
import { THRESHOLD, counted, percent } from "../core/format.js";

/** The chart's width in time. */
const SPAN_S = 180;
/** The spoken summary changes no more often than people can follow. */
const SUMMARY_S = 5;

/** `<score-chart>`: the scores of the last minutes, one line per face, broken where nothing was scored. */
export class ScoreChart extends ChartElement {
  #streamId;
  #history;
  #now;
  #summaryAt = -Infinity;

  /**
   * @param {string} streamId
   * @param {() => ScoreHistory | null} history
   * @param {() => number} now server clock, Unix seconds
   */
  constructor(streamId, history, now) {
    super(1 / SPAN_S);
    this.#streamId = streamId;
    this.#history = history;
    this.#now = now;
    this.dataset.testid = "score-chart";
    setAttribute(this, "aria-label", `Scores of ${streamId}`);
  }

  /**
   * @param {CanvasRenderingContext2D} draw
   * @param {number} width
   * @param {number} height
   */
  drawChart(draw, width, height) {
    const now = this.#now();
    const history = this.#history();
    const plot = makePlot(width, height, now - SPAN_S, now);
    drawGrid(draw, plot, "3 min ago", "now");
    for (const faceId of history?.faceIds() ?? []) {
      drawFaceLines(draw, plot, faceId, history?.lines(faceId, now - SPAN_S) ?? []);
    }
    this.#summarise(now, history);
    return plot;
  }

  /** Draws again and tells a new summary at once: much has changed. */
  renew() {
    this.#summaryAt = -Infinity;
    this.redraw();
  }

  /** @param {number} part */
  readAt(part) {
    const ago = SPAN_S * (1 - part);
    const at = this.#now() - ago;
    const found = this.#history()?.at(at) ?? [];
    const values = found.map(({ faceId, p }) => `face ${faceId} ${percent(p)}`).join(", ");
    return { at, found, words: `${Math.round(ago)} s ago: ${values || "not scored"}` };
  }

  /**
   * @param {number} now
   * @param {ScoreHistory | null} history
   */
  #summarise(now, history) {
    if (now - this.#summaryAt < SUMMARY_S) return;
    const summary = history?.summary(now - SPAN_S);
    if (summary) this.#summaryAt = now; // the first score is told at once
    const words = summary
      ? `${counted(summary.count, "score")}, lowest ${percent(summary.low)}, highest ${percent(summary.high)}, newest ${percent(summary.newest)}`
      : "no scores";
    setAttribute(
      this,
      "aria-label",
      `Scores of ${this.#streamId} in the last 3 minutes: ${words}; the threshold is ${percent(THRESHOLD)}. Arrow keys read single moments.`,
    );
  }
}

customElements.define("score-chart", ScoreChart);
