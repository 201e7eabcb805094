/** @import { FacesMessage } from "../core/types.js" */
/** @import { StreamRecord } from "./stream-record.js" */
import { socketUrl } from "../core/api.js";
import { h } from "../core/dom.js";
import { drawFaceMaps } from "./evidence.js";
import { contain, drawFaceBoxes } from "./face-boxes.js";
import { fitCanvas } from "../charts/palette.js";
import { ViewSocket } from "../core/view-socket.js";

/** Cards just outside the window are opened early, so that scrolling finds them running. */
const MARGIN = "120px";

/**
 * `<live-picture>`: the frames of one stream with boxes on the very frame they were found in.
 *
 * Holds a socket only while it can be seen: on screen, in a visible tab, of a stream that is there.
 */
export class LivePicture extends HTMLElement {
  #streamId;
  #record;
  #canvas = h("canvas", { "aria-hidden": "true" });
  /** @type {ViewSocket | null} */
  #socket = null;
  /** @type {ImageBitmap | null} */
  #picture = null;
  /** @type {FacesMessage | null} */
  #header = null;
  /** Side of a cut-out over its box while maps are shown, otherwise null. @type {number | null} */
  #mapScale = null;
  #onScreen = false;
  #wanted = true;
  #frame = 0;
  #screen;
  #size;
  #onVisibility = () => this.#update();

  /**
   * @param {string} streamId
   * @param {() => StreamRecord | null} record
   */
  constructor(streamId, record) {
    super();
    this.#streamId = streamId;
    this.#record = record;
    this.append(this.#canvas);
    this.#screen = new IntersectionObserver(
      (entries) => {
        this.#onScreen = entries.at(-1)?.isIntersecting ?? false;
        this.#update();
      },
      { rootMargin: MARGIN },
    );
    this.#size = new ResizeObserver(() => this.redraw());
    this.#screen.observe(this);
    this.#size.observe(this.#canvas);
    document.addEventListener("visibilitychange", this.#onVisibility);
  }

  disconnectedCallback() {
    this.close();
  }

  /** @param {boolean} wanted false while the stream sends nothing; the last picture stays */
  want(wanted) {
    if (this.#wanted === wanted) return;
    this.#wanted = wanted;
    this.#update();
  }

  /** @param {number | null} scale of the cut-outs that the maps lie over; null: no maps */
  showMaps(scale) {
    this.#mapScale = scale;
    this.redraw();
  }

  /** Draws again soon: a verdict changed, or the size did. */
  redraw() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#socket?.close();
    this.#socket = null;
    this.#picture?.close();
    this.#picture = null;
    this.#screen.disconnect();
    this.#size.disconnect();
    document.removeEventListener("visibilitychange", this.#onVisibility);
  }

  #update() {
    const open = this.#onScreen && this.#wanted && !document.hidden;
    if (open && !this.#socket) {
      const url = socketUrl(`/ws/view/${encodeURIComponent(this.#streamId)}`);
      this.#socket = new ViewSocket(url, (picture, header) => this.#show(picture, header));
    } else if (!open && this.#socket) {
      this.#socket.close();
      this.#socket = null;
    }
  }

  /**
   * @param {ImageBitmap} picture
   * @param {FacesMessage} header
   */
  #show(picture, header) {
    this.#picture?.close();
    this.#picture = picture;
    this.#header = header;
    this.dataset.frameIndex = String(header.frame_index);
    this.redraw();
  }

  #draw() {
    this.#frame = 0;
    const fitted = fitCanvas(this.#canvas);
    if (!fitted || !this.#picture || !this.#header) return;
    const { draw, width, height } = fitted;
    const place = contain(this.#picture, { width, height });
    draw.imageSmoothingQuality = "medium";
    draw.drawImage(this.#picture, place.x, place.y, this.#picture.width * place.scale, this.#picture.height * place.scale);
    if (this.#mapScale !== null) drawFaceMaps(draw, this.#header, { width, height }, this.#record(), this.#mapScale);
    drawFaceBoxes(draw, this.#header, { width, height }, this.#record());
  }
}

customElements.define("live-picture", LivePicture);
