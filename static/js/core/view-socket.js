/** @import { FacesMessage } from "./types.js" */
import { VIEW_RETRY_PAUSES_S, retryPauseMs } from "./retry.js";

/** The server's "no such stream": asking again would not help. */
const UNKNOWN_STREAM = 4404;
/** No header is longer; more means that we read something else. */
const MAX_HEADER_BYTES = 1 << 20;

/**
 * Takes one message of /ws/view apart: 4 bytes big-endian length, the `faces` message of the frame, the frame as JPEG.
 *
 * @param {ArrayBuffer} buffer
 * @returns {{ header: FacesMessage, jpeg: Uint8Array<ArrayBuffer> }}
 * @throws {RangeError} when it is shorter than it says
 */
export function parseViewMessage(buffer) {
  if (buffer.byteLength < 4) throw new RangeError(`a view message has at least 4 bytes, this one ${buffer.byteLength}`);
  const length = new DataView(buffer).getUint32(0);
  if (length > MAX_HEADER_BYTES || 4 + length > buffer.byteLength) {
    throw new RangeError(`a header of ${length} bytes does not fit a message of ${buffer.byteLength}`);
  }
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, jpeg: new Uint8Array(buffer, 4 + length) };
}

/**
 * The pictures of one stream, each with the faces found in it.
 *
 * Never more than one decode at a time: while one runs, a newer picture replaces the one that waits.
 */
export class ViewSocket {
  #url;
  #show;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ArrayBuffer | null} */
  #waiting = null;
  #decoding = false;
  #closed = false;
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;

  /**
   * @param {string} url
   * @param {(picture: ImageBitmap, header: FacesMessage) => void} show takes over the bitmap and must close it
   */
  constructor(url, show) {
    this.#url = url;
    this.#show = show;
    this.#connect();
  }

  close() {
    this.#closed = true;
    this.#waiting = null;
    clearTimeout(this.#retryTimer);
    this.#socket?.close();
    this.#socket = null;
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onmessage = (event) => {
      if (this.#socket !== socket || !(event.data instanceof ArrayBuffer)) return;
      this.#attempt = 0;
      this.#waiting = event.data;
      if (!this.#decoding) void this.#decode();
    };
    socket.onclose = (event) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (this.#closed || event.code === UNKNOWN_STREAM) return;
      this.#retryTimer = setTimeout(() => this.#connect(), retryPauseMs(VIEW_RETRY_PAUSES_S, this.#attempt));
      this.#attempt += 1;
    };
  }

  async #decode() {
    this.#decoding = true;
    while (this.#waiting && !this.#closed) {
      const buffer = this.#waiting;
      this.#waiting = null;
      try {
        const { header, jpeg } = parseViewMessage(buffer);
        const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        if (this.#closed) picture.close();
        else this.#show(picture, header);
      } catch (error) {
        console.warn("a picture could not be shown:", error);
      }
    }
    this.#decoding = false;
  }
}
