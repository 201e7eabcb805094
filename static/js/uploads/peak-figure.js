/** @import { ReportFace } from "../core/types.js" */
import { h, setAttribute, setText } from "../core/dom.js";
import { drawMap, mapOf, mapWords, pictureScores } from "../streams/evidence.js";
import { duration, percent } from "../core/format.js";
import { fitCanvas } from "../charts/palette.js";
import { PictureStrip } from "../streams/picture-strip.js";

/** `<peak-figure>`: the newest picture of a face's most suspicious window, with what the score there rests on. */
export class PeakFigure extends HTMLElement {
  #canvas = h("canvas");
  #where = h("span", { class: "muted" });
  #map;
  #shown = false;
  /** @type {ImageBitmap | null} */
  #picture = null;
  #closed = false;
  #name;

  /** @param {ReportFace} face one with a peak */
  constructor(face) {
    super();
    const peak = face.peak ?? null;
    this.#name = `Face ${face.face_id}`;
    this.#map = mapOf(peak?.evidence);
    this.dataset.testid = "peak";
    const strip = new PictureStrip();
    strip.show(pictureScores(peak?.evidence));
    setAttribute(this.#canvas, "role", "img");
    this.append(
      this.#canvas,
      h(
        "div",
        { class: "peak-words" },
        h("span", {}, h("strong", {}, this.#name), ` ${percent(peak?.fake_probability)}`),
        h("span", { class: "muted" }, `window that ends at ${duration(peak?.at_s ?? 0)}`),
        strip,
        this.#where,
      ),
    );
    this.showMap(false);
    if (peak?.picture) void this.#load(peak.picture);
  }

  connectedCallback() {
    this.#draw();
  }

  disconnectedCallback() {
    this.#closed = true;
    this.#picture?.close();
    this.#picture = null;
  }

  /** @param {boolean} shown */
  showMap(shown) {
    this.#shown = shown && this.#map !== null;
    const words = this.#map ? `looked ${mapWords(this.#map)}` : "no map";
    setText(this.#where, shown ? words : "");
    setAttribute(this.#canvas, "aria-label", `${this.#name} at its most suspicious${this.#shown ? `; the network ${words}` : ""}`);
    this.#draw();
  }

  /** @param {string} base64 a JPEG; not as an address, which the page's policy forbids */
  async #load(base64) {
    try {
      const octets = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([octets], { type: "image/jpeg" }));
      if (this.#closed) return picture.close();
      this.#picture = picture;
      return this.#draw();
    } catch (error) {
      return console.info("the picture of a peak cannot be shown:", error);
    }
  }

  #draw() {
    const fitted = fitCanvas(this.#canvas);
    if (!fitted) return;
    const { draw, width, height } = fitted;
    if (this.#picture) draw.drawImage(this.#picture, 0, 0, width, height);
    if (this.#shown && this.#map) drawMap(draw, this.#map, 0, 0, width);
  }
}

customElements.define("peak-figure", PeakFigure);
