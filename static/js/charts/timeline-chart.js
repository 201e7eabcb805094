/** @import { VideoReport } from "../core/types.js" */
import { drawFaceLines, drawGrid, drawPeak, makePlot } from "./chart-drawing.js";
import { ChartElement } from "./chart-element.js";
import { setAttribute } from "../core/dom.js";
import { THRESHOLD, counted, duration, percent } from "../core/format.js";
import { peakPoints, timelineLines } from "./timeline-lines.js";

/** Arrow keys cross a video in so many steps. */
const KEY_STEPS = 100;

/** `<timeline-chart>`: the scores of a video's sliding windows over its length, one line per face. */
export class TimelineChart extends ChartElement {
  #length;
  #faces;
  #peaks;

  /** @param {VideoReport} report */
  constructor(report) {
    super(1 / KEY_STEPS);
    this.#length = Math.max(report.video.duration_s, ...report.timeline.map((point) => point.end_s), 0.1);
    this.#faces = timelineLines(report.timeline);
    this.#peaks = peakPoints(report);
    this.dataset.testid = "timeline-chart";
    const high = Math.max(0, ...report.timeline.map((point) => point.fake_probability));
    const words = report.timeline.length > 0 ? `${counted(report.timeline.length, "score")}, highest ${percent(high)}` : "no scores";
    setAttribute(
      this,
      "aria-label",
      `Scores over the ${duration(this.#length)} of ${report.filename}: ${words}; the threshold is ${percent(THRESHOLD)}. Arrow keys read single moments.`,
    );
  }

  /**
   * @param {CanvasRenderingContext2D} draw
   * @param {number} width
   * @param {number} height
   */
  drawChart(draw, width, height) {
    const plot = makePlot(width, height, 0, this.#length);
    drawGrid(draw, plot, "0:00", duration(this.#length));
    for (const [faceId, lines] of this.#faces) drawFaceLines(draw, plot, faceId, lines);
    for (const peak of this.#peaks) drawPeak(draw, plot, peak);
    return plot;
  }

  /** @param {number} part */
  readAt(part) {
    const at = part * this.#length;
    /** @type {{ faceId: number, at: number, p: number }[]} */
    const found = [];
    for (const [faceId, lines] of this.#faces) {
      const near = lines
        .flat()
        .filter((point) => Math.abs(point.at - at) <= point.reach)
        .sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at))[0];
      if (near) found.push({ faceId, at: near.at, p: near.p });
    }
    const values = found.map(({ faceId, p }) => `face ${faceId} ${percent(p)}`).join(", ");
    return { at, found, words: `At ${duration(at)}: ${values || "not scored"}` };
  }
}

customElements.define("timeline-chart", TimelineChart);
