import { along, drawReading } from "./chart-drawing.js";
import { h, setAttribute, setText } from "../core/dom.js";
import { fitCanvas } from "./palette.js";

/** @import { Plot } from "./chart-drawing.js" */

/**
 * A canvas with a time axis that can be read by pointer and by keyboard: arrow keys, Home, End, Esc.
 *
 * What is drawn and said comes from the subclass; it calls `close()` on the way out by being disconnected.
 */
export class ChartElement extends HTMLElement {
  #canvas = h("canvas", { "aria-hidden": "true" });
  #readout = h("output", { class: "chart-readout" });
  /** What is read out, 0 (left edge) to 1; null while nobody points. @type {number | null} */
  #reading = null;
  #frame = 0;
  #size;
  #keyStep;

  /** @param {number} keyStep how far an arrow key goes, as a part of the width; with Shift ten times as far */
  constructor(keyStep) {
    super();
    this.#keyStep = keyStep;
    this.tabIndex = 0;
    setAttribute(this, "role", "group");
    setAttribute(this, "aria-roledescription", "score chart");
    this.append(this.#canvas, this.#readout);
    this.addEventListener("pointermove", (event) => this.#read(along(event.offsetX, this.#canvas.clientWidth)));
    this.addEventListener("pointerleave", () => this.#read(null));
    this.addEventListener("blur", () => this.#read(null));
    this.addEventListener("keydown", (event) => this.#onKey(event));
    this.#size = new ResizeObserver(() => this.redraw());
    this.#size.observe(this.#canvas);
  }

  disconnectedCallback() {
    this.close();
  }

  redraw() {
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#size.disconnect();
  }

  /**
   * Draws everything but the reading line.
   *
   * @param {CanvasRenderingContext2D} _draw
   * @param {number} _width CSS pixels
   * @param {number} _height
   * @returns {Plot}
   */
  drawChart(_draw, _width, _height) {
    throw new Error("a chart draws itself");
  }

  /**
   * What stood at a place of the time axis.
   *
   * @param {number} _part 0 (left edge) to 1
   * @returns {{ at: number, found: { faceId: number, at: number, p: number }[], words: string }}
   */
  readAt(_part) {
    throw new Error("a chart reads itself");
  }

  #draw() {
    const fitted = fitCanvas(this.#canvas);
    if (!fitted) return;
    const plot = this.drawChart(fitted.draw, fitted.width, fitted.height);
    if (this.#reading === null) return setText(this.#readout, "");
    const { at, found, words } = this.readAt(this.#reading);
    drawReading(fitted.draw, plot, at, found);
    return setText(this.#readout, words);
  }

  /** @param {number | null} part */
  #read(part) {
    this.#reading = part === null ? null : Math.min(1, Math.max(0, part));
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape" && this.#reading !== null) {
      event.stopPropagation();
      event.preventDefault(); // this Esc ends the reading, not a dialog around it
      return this.#read(null);
    }
    const step = this.#keyStep * (event.shiftKey ? 10 : 1);
    const from = this.#reading ?? 1;
    const places = new Map([["ArrowLeft", from - step], ["ArrowRight", from + step], ["Home", 0], ["End", 1]]);
    const next = places.get(event.key);
    if (next === undefined) return undefined;
    event.preventDefault();
    return this.#read(next);
  }
}
