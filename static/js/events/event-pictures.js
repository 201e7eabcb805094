/** @import { MonitorEvent } from "../core/types.js" */
import { partAddress } from "../core/api.js";
import { h, setAttribute, setText } from "../core/dom.js";
import { MAP_WORDS } from "../streams/evidence.js";
import { EventPicture } from "./event-picture.js";
import { noPicturesWords } from "./event-words.js";

const CLIP = "clip.mp4";
const SNAPSHOTS = ["start", "peak", "end"];

/** `<event-pictures>`: what was kept of an event for the eye: faces, where the network looked, moments, the clip. */
export class EventPictures extends HTMLElement {
  #faces;
  #where;
  #facesPart;
  /** @type {Map<string, EventPicture>} */
  #snapshots = new Map();
  #snapshotsPart;
  #clip = h("video", { controls: true, preload: "metadata", playsinline: true, "aria-label": "The video around the alert", "data-testid": "event-clip" });
  #clipPart = section("Clip", "event-clip-part", this.#clip);
  #clipSum = "";
  #none = h("p", { class: "event-hint", role: "status", "data-testid": "event-no-pictures" });

  /** @param {string} eventId */
  constructor(eventId) {
    super();
    this.#faces = new EventPicture(eventId, "The 16 faces of the most suspicious window, oldest to newest", "The 16 pictures of the most suspicious window, oldest to newest");
    this.#where = new EventPicture(eventId, "The newest face of that window, and where the network looked in it", "The newest of them, and where the network looked");
    this.#facesPart = section(
      "Most suspicious window",
      "event-faces",
      this.#faces,
      h("div", { class: "event-looked" }, this.#where, h("p", { class: "map-note" }, MAP_WORDS)),
    );
    for (const name of SNAPSHOTS) {
      this.#snapshots.set(name, new EventPicture(eventId, `The whole picture at the ${name}, with the faces marked`, `At the ${name}`));
    }
    this.#snapshotsPart = section("Whole pictures", "event-snapshots", h("div", { class: "event-snapshots" }, ...this.#snapshots.values()));
    this.append(this.#none, this.#facesPart, this.#clipPart, this.#snapshotsPart);
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    this.#clip.removeAttribute("src");
    this.#clip.load(); // gives the connection back
  }

  /** @param {MonitorEvent} event */
  show(event) {
    const parts = new Map(event.parts.map((part) => [part.name, part]));
    this.#faces.show(parts.get("strip.jpg"));
    this.#where.show(parts.get("where.jpg"));
    this.#facesPart.hidden = !parts.has("strip.jpg");
    for (const [name, picture] of this.#snapshots) picture.show(parts.get(`snapshot-${name}.jpg`));
    this.#snapshotsPart.hidden = !SNAPSHOTS.some((name) => parts.has(`snapshot-${name}.jpg`));
    const clip = parts.get(CLIP);
    this.#clipPart.hidden = clip === undefined;
    if (clip && clip.sha256 !== this.#clipSum) {
      this.#clipSum = clip.sha256;
      setAttribute(this.#clip, "src", partAddress(event.id, clip));
    }
    const none = this.#facesPart.hidden && this.#snapshotsPart.hidden && this.#clipPart.hidden;
    setText(this.#none, none ? noPicturesWords(event) : "");
    this.#none.hidden = !none;
  }
}

/**
 * @param {string} title
 * @param {string} testId
 * @param {...HTMLElement} children
 */
function section(title, testId, ...children) {
  return h("section", { class: "event-part", "aria-label": title, "data-testid": testId, hidden: true }, h("h3", {}, title), ...children);
}

customElements.define("event-pictures", EventPictures);
