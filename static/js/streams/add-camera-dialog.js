/** @import { Store } from "../core/store.js" */
import { addStream } from "../core/api.js";
import { h, setText } from "../core/dom.js";
import { errorLine, field, makeModal } from "../core/modal.js";
import { STREAM_ID_HELP, STREAM_ID_INPUT, freeStreamId } from "./stream-id.js";

/** `<add-camera-dialog>`: asks for a name and an address; the server's objection is shown word for word. */
export class AddCameraDialog extends HTMLElement {
  #store;
  #id = h("input", { ...STREAM_ID_INPUT, name: "id", "data-testid": "camera-id" });
  #url = h("input", {
    name: "url",
    required: true,
    inputmode: "url",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: "rtsp://user:password@192.0.2.10/stream1",
    "data-testid": "camera-url",
  });
  #transport = h(
    "select",
    { name: "transport", "data-testid": "camera-transport" },
    h("option", { value: "" }, "As the server is set up"),
    h("option", { value: "tcp" }, "TCP: complete pictures"),
    h("option", { value: "udp" }, "UDP: lost packets damage pictures"),
  );
  #advanced = h(
    "details",
    { class: "advanced", "data-testid": "camera-advanced" },
    h("summary", {}, "Advanced"),
    field("RTSP transport", this.#transport, "Try the other one when the camera answers but sends no picture."),
  );
  #error = errorLine("camera-error");
  #submit = h("button", { type: "submit", class: "primary", "data-testid": "camera-submit" }, "Add camera");
  #dialog;

  /** @param {Store} store */
  constructor(store) {
    super();
    this.#store = store;
    const form = h(
      "form",
      { onsubmit: (/** @type {SubmitEvent} */ event) => void this.#onSubmit(event) },
      field("Address", this.#url, "RTSP, RTSPS, RTMP, HTTP or HLS. A password in it is masked wherever the address is shown."),
      field("Name", this.#id, STREAM_ID_HELP),
      this.#advanced,
      this.#error.element,
      h("div", { class: "dialog-actions" }, h("button", { type: "button", onclick: () => this.#dialog.close() }, "Cancel"), this.#submit),
    );
    this.#dialog = makeModal("Add a camera", [form]);
    this.append(this.#dialog);
  }

  open() {
    this.#error.show("");
    this.#url.value = "";
    this.#transport.value = "";
    this.#advanced.open = false;
    this.#id.value = freeStreamId("camera", this.#store.streamIds());
    this.#dialog.showModal();
    this.#url.focus();
  }

  /** @param {SubmitEvent} event */
  async #onSubmit(event) {
    event.preventDefault();
    this.#error.show("");
    this.#submit.disabled = true;
    setText(this.#submit, "Adding…");
    try {
      await addStream(this.#id.value.trim(), this.#url.value.trim(), asTransport(this.#transport.value));
      this.#dialog.close();
      location.hash = "#live";
    } catch (error) {
      this.#error.show(error instanceof Error ? error.message : String(error));
    } finally {
      this.#submit.disabled = false;
      setText(this.#submit, "Add camera");
    }
  }
}

/** @param {string} value of the select; "" leaves it to the server */
function asTransport(value) {
  return value === "tcp" || value === "udp" ? value : null;
}

customElements.define("add-camera-dialog", AddCameraDialog);
