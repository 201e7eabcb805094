/** @import { Context } from "../core/types.js" */
import { h, setText } from "../core/dom.js";
import { errorLine, field, makeModal } from "../core/modal.js";
import { STREAM_ID_HELP, STREAM_ID_INPUT, freeStreamId } from "./stream-id.js";
import { listCameras, openCamera, releaseCamera, unavailable } from "./webcam.js";

/** `<share-webcam-dialog>`: choose a camera, see it, name it, share it. */
export class ShareWebcamDialog extends HTMLElement {
  #context;
  /** @type {MediaStream | null} */
  #media = null;
  /** Counts openings of a camera, so that one that comes late is let go of. */
  #opening = 0;
  /** The server was asked and has not answered. */
  #connecting = false;
  #video = h("video", { autoplay: true, playsinline: true, "data-testid": "share-preview", "aria-label": "Preview of your camera" });
  #waiting = h("p", { class: "preview-note" });
  #device = h("select", { "data-testid": "share-device", onchange: () => void this.#openCamera(this.#device.value) });
  #name = h("input", { ...STREAM_ID_INPUT, name: "name", "data-testid": "share-name" });
  #error = errorLine("share-error");
  #again = h("button", { type: "button", "data-testid": "share-again", hidden: true, onclick: () => void this.#openCamera(this.#device.value) }, "Try again");
  #start = h("button", { type: "submit", class: "primary", "data-testid": "share-start", disabled: true }, "Start sharing");
  #dialog;

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    this.#video.muted = true;
    const form = h(
      "form",
      { onsubmit: (/** @type {SubmitEvent} */ event) => void this.#onSubmit(event) },
      h("div", { class: "preview" }, this.#video, this.#waiting),
      field("Camera", this.#device),
      field("Name", this.#name, STREAM_ID_HELP),
      this.#error.element,
      h("div", { class: "dialog-actions" }, this.#again, h("button", { type: "button", onclick: () => this.#dialog.close() }, "Cancel"), this.#start),
    );
    this.#dialog = makeModal("Share your webcam", [
      h("p", { class: "muted" }, "The picture goes to this server only, is analysed there and not kept."),
      form,
    ]);
    this.#dialog.addEventListener("close", () => {
      if (this.#connecting) this.#context.share.stop();
      this.#letGo();
    });
    this.append(this.#dialog);
  }

  disconnectedCallback() {
    this.#letGo();
  }

  open() {
    this.#name.value = freeStreamId("webcam", this.#context.store.streamIds());
    this.#dialog.showModal();
    void this.#openCamera("");
  }

  /** @param {string} deviceId */
  async #openCamera(deviceId) {
    this.#letGo();
    const opening = this.#opening;
    this.#error.show("");
    this.#again.hidden = true;
    this.#note("Waiting for the camera. The browser may ask for permission.");
    try {
      const media = await openCamera(deviceId);
      if (opening !== this.#opening || !this.#dialog.open) return releaseCamera(media);
      this.#media = media;
      this.#video.srcObject = media;
      this.#note("");
      this.#start.disabled = false;
      await this.#fillDevices(media.getVideoTracks()[0]?.getSettings().deviceId ?? deviceId);
    } catch (error) {
      if (opening !== this.#opening) return undefined;
      this.#note("No picture");
      this.#again.hidden = unavailable() !== null;
      this.#error.show(error instanceof Error ? error.message : String(error));
      if (unavailable() === null) await this.#fillDevices(deviceId);
    }
    return undefined;
  }

  /** @param {string} chosen */
  async #fillDevices(chosen) {
    const cameras = await listCameras();
    this.#device.replaceChildren(...cameras.map(({ id, name }) => h("option", { value: id, selected: id === chosen }, name)));
    this.#device.disabled = cameras.length < 2;
  }

  /** @param {SubmitEvent} event */
  async #onSubmit(event) {
    event.preventDefault();
    const media = this.#media;
    if (!media) return;
    this.#error.show("");
    this.#start.disabled = true;
    setText(this.#start, "Connecting…");
    try {
      this.#media = null; // the share owns it from here
      this.#connecting = true;
      await this.#context.share.start(this.#name.value.trim(), media);
      this.#connecting = false;
      if (this.#dialog.open) location.hash = "#live";
      this.#dialog.close();
    } catch (error) {
      if (this.#dialog.open) this.#media = media;
      else releaseCamera(media);
      this.#error.show(error instanceof Error ? error.message : String(error));
      this.#start.disabled = false;
    } finally {
      this.#connecting = false;
      setText(this.#start, "Start sharing");
    }
  }

  #letGo() {
    this.#opening += 1;
    releaseCamera(this.#media);
    this.#media = null;
    this.#video.srcObject = null;
    this.#start.disabled = true;
  }

  /** @param {string} text */
  #note(text) {
    setText(this.#waiting, text);
    this.#waiting.hidden = text === "";
  }
}

customElements.define("share-webcam-dialog", ShareWebcamDialog);
