/** @import { FaceRecord } from "./stream-record.js" */
import { h, icon, setAttribute, setIcon, setText } from "../core/dom.js";
import { SCORE_MEANING, capital, percent, rarityWords, scoreMeaning, verdictView } from "../core/format.js";
import { pictureScores } from "./evidence.js";
import { faceLine } from "../charts/palette.js";
import { PictureStrip } from "./picture-strip.js";

/** @typedef {{ row: HTMLLIElement, key: HTMLElement, shape: SVGSVGElement, verdict: HTMLElement, strip: PictureStrip, score: HTMLElement, rarity: HTMLElement }} Row */

/** `<face-list>`: every face of a stream with its own verdict and score, the most suspicious first. */
export class FaceList extends HTMLElement {
  #list = h("ul");
  #empty = h("p", { class: "muted" });
  /** @type {Map<number, Row>} */
  #rows = new Map();

  /** @param {string} streamId */
  constructor(streamId) {
    super();
    setAttribute(this, "role", "region");
    setAttribute(this, "aria-label", `Faces in ${streamId}`);
    this.tabIndex = 0; // it scrolls when there are many
    this.append(this.#list, this.#empty);
  }

  /**
   * @param {readonly FaceRecord[]} faces
   * @param {string} otherwise what stands there without any
   */
  show(faces, otherwise) {
    const present = new Set(faces.map((face) => face.faceId));
    for (const [faceId, { row }] of this.#rows) {
      if (present.has(faceId)) continue;
      row.remove();
      this.#rows.delete(faceId);
    }
    for (const [index, face] of faces.entries()) {
      const row = this.#rows.get(face.faceId) ?? this.#add(face.faceId);
      fill(row, face);
      if (this.#list.children[index] !== row.row) this.#list.insertBefore(row.row, this.#list.children[index] ?? null);
    }
    setText(this.#empty, otherwise);
    this.#empty.hidden = faces.length > 0;
  }

  /** @param {number} faceId */
  #add(faceId) {
    const key = h("span", { class: "face-key", "aria-hidden": "true" });
    key.style.backgroundColor = faceLine(faceId).colour;
    const shape = icon("not-scored");
    const verdict = h("span", { class: "face-verdict" });
    const score = h("span", { class: "face-score", title: SCORE_MEANING });
    const rarity = h("span", { class: "visually-hidden" });
    const strip = new PictureStrip();
    const row = h("li", { "data-testid": "face-row", "data-face-id": faceId }, key, h("span", { class: "face-name" }, `Face ${faceId}`), shape, verdict, strip, score, rarity);
    const made = { row, key, shape, verdict, strip, score, rarity };
    this.#rows.set(faceId, made);
    return made;
  }
}

/**
 * @param {Row} row
 * @param {FaceRecord} face
 */
function fill(row, face) {
  const view = verdictView(face.verdict);
  const waiting = face.seen?.quality.reason ? `Not scored: ${face.seen.quality.reason}` : "Seen";
  setAttribute(row.row, "data-tone", view.tone);
  setIcon(row.shape, view.icon);
  setText(row.verdict, view.state === "none" ? waiting : view.rank >= 3 ? capital(view.short) : view.words);
  const scored = view.rank >= 3 ? (face.score?.fake_probability ?? face.verdict?.fake_probability) : null;
  row.strip.show(scored === null ? null : pictureScores(face.score?.evidence));
  setText(row.score, scored === null || scored === undefined ? "" : percent(scored));
  const rarity = scored === null ? "" : rarityWords(face.score?.evidence?.calibration_percentile);
  setAttribute(row.score, "title", scoreMeaning(rarity));
  setText(row.rarity, rarity);
}

customElements.define("face-list", FaceList);
