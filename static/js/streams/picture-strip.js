import { STRIP_MEANING, stripWords } from "./evidence.js";
import { THRESHOLD } from "../core/format.js";
import { h, setAttribute } from "../core/dom.js";

/** No bar vanishes: a score of 0 is a score. */
const LOWEST = 0.04;

/** `<picture-strip>`: 16 small bars, one per picture of a window, over the threshold's line. */
export class PictureStrip extends HTMLElement {
  /** @type {HTMLElement[]} */
  #bars = [];

  constructor() {
    super();
    setAttribute(this, "role", "img");
    setAttribute(this, "title", STRIP_MEANING);
    this.dataset.testid = "picture-strip";
    this.hidden = true;
  }

  /** @param {readonly number[] | null} scores 16 probabilities, oldest first; null hides the strip */
  show(scores) {
    this.hidden = scores === null;
    if (!scores) return;
    if (this.#bars.length !== scores.length) {
      this.#bars = scores.map(() => h("i"));
      this.replaceChildren(...this.#bars);
    }
    for (const [index, bar] of this.#bars.entries()) {
      const score = scores[index] ?? 0;
      bar.style.height = `${Math.round(Math.max(LOWEST, score) * 100)}%`;
      setAttribute(bar, "data-high", score >= THRESHOLD);
    }
    setAttribute(this, "aria-label", stripWords(scores));
  }
}

customElements.define("picture-strip", PictureStrip);
