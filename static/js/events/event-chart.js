/** @import { MonitorEvent } from "../core/types.js" */
/** @import { Plot } from "../charts/chart-drawing.js" */
/** @import { Point } from "../charts/score-history.js" */
import { drawFaceLines, drawGrid, drawPeak, makePlot } from "../charts/chart-drawing.js";
import { ChartElement } from "../charts/chart-element.js";
import { setAttribute } from "../core/dom.js";
import { chartWords, linesOf, marksOf, nearestTo, placeLabels, spanOf } from "./event-series.js";
import { localClock } from "./event-words.js";
import { percent } from "../core/format.js";
import { colour } from "../charts/palette.js";

/** Arrow keys cross an event in so many steps. */
const KEY_STEPS = 100;
const LABEL_PX = 12;
/** There is one face here: its line is drawn as that of the first one, without dashes. */
const LINE = 1;

/** `<event-chart>`: the scores of an event's face over its time, with its start, its peak and its end. */
export class EventChart extends ChartElement {
  /** @type {MonitorEvent | null} */
  #event = null;
  /** @type {readonly Point[]} */
  #points = [];

  constructor() {
    super(1 / KEY_STEPS);
    this.dataset.testid = "event-chart";
    setAttribute(this, "aria-label", "Scores");
  }

  /**
   * @param {MonitorEvent} event
   * @param {readonly Point[]} points by time
   */
  show(event, points) {
    this.#event = event;
    this.#points = points;
    setAttribute(this, "data-scores", points.length);
    setAttribute(this, "aria-label", chartWords(event, points));
    this.redraw();
  }

  /**
   * @param {CanvasRenderingContext2D} draw
   * @param {number} width
   * @param {number} height
   */
  drawChart(draw, width, height) {
    const { from, to } = this.#span();
    const plot = makePlot(width, height, from, to);
    drawGrid(draw, plot, localClock(from), localClock(to));
    if (!this.#event) return plot;
    drawMarks(draw, plot, this.#event);
    drawFaceLines(draw, plot, LINE, linesOf(this.#points));
    const { peak_at: at, peak_probability: p } = this.#event;
    if (at !== null && p !== null) drawPeak(draw, plot, { faceId: LINE, at, p });
    return plot;
  }

  /** @param {number} part */
  readAt(part) {
    const { from, to } = this.#span();
    const at = from + part * (to - from);
    const near = nearestTo(this.#points, at);
    return { at, found: near ? [{ faceId: LINE, ...near }] : [], words: `${localClock(at)}: ${near ? percent(near.p) : "not scored"}` };
  }

  #span() {
    return this.#event ? spanOf(this.#points, marksOf(this.#event)) : { from: 0, to: 1 };
  }
}

/**
 * A line with its name for each moment.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Plot} plot
 * @param {MonitorEvent} event
 */
function drawMarks(draw, plot, event) {
  const marks = marksOf(event);
  const labels = marks.map(({ name, at }) => ({ x: plot.x(at), width: draw.measureText(name).width }));
  const places = placeLabels(labels, plot.right);
  draw.save();
  draw.lineWidth = 1;
  draw.strokeStyle = colour("border-strong");
  draw.fillStyle = colour("text-muted");
  draw.textBaseline = "top";
  for (const [index, { name, at }] of marks.entries()) {
    const x = Math.round(plot.x(at)) + 0.5;
    draw.beginPath();
    draw.moveTo(x, plot.top);
    draw.lineTo(x, plot.bottom);
    draw.stroke();
    const place = places[index];
    if (place) draw.fillText(name, place.x, plot.top + place.row * LABEL_PX);
  }
  draw.restore();
}

customElements.define("event-chart", EventChart);
