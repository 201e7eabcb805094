/** @import { Context } from "../core/types.js" */
import { h, icon } from "../core/dom.js";
import { UploadItem } from "./upload-item.js";

const ACCEPT = "video/*,.mp4,.mov,.avi,.flv,.mkv,.webm,.m4v";

/** `<upload-panel>`: drop or choose videos; those checked in this session stay below. */
export class UploadPanel extends HTMLElement {
  #context;
  #end;
  #input = h("input", { type: "file", id: "upload-input", accept: ACCEPT, multiple: true, class: "visually-hidden", "data-testid": "upload-input" });
  #zone;
  #list = h("div", { class: "upload-list" });
  /** @type {Map<string, UploadItem>} */
  #items = new Map();

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
    this.#input.addEventListener("change", () => {
      this.take(this.#input.files);
      this.#input.value = "";
    });
    this.#zone = h(
      "label",
      { class: "drop-zone", for: "upload-input", "data-testid": "drop-zone" },
      icon("upload"),
      h("strong", {}, "Drop a video here, or choose one"),
      h("span", { class: "muted" }, "MP4, MOV, AVI, FLV, MKV or WebM. It is analysed on the server and deleted afterwards."),
    );
    this.append(this.#input, this.#zone, this.#list);
    this.#end = context.store.subscribe("uploads", () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    this.#end();
  }

  /** Opens the browser's file dialog. */
  choose() {
    this.#input.click();
  }

  /** @param {FileList | null | undefined} files */
  take(files) {
    for (const file of files ?? []) void this.#context.uploads.start(file);
  }

  #render() {
    const uploads = this.#context.store.uploads();
    const present = new Set(uploads.map((upload) => upload.id));
    for (const [uploadId, item] of this.#items) {
      if (present.has(uploadId)) continue;
      item.remove();
      this.#items.delete(uploadId);
    }
    for (const [index, upload] of uploads.entries()) {
      const item = this.#items.get(upload.id) ?? new UploadItem(this.#context, upload.id);
      this.#items.set(upload.id, item);
      item.show(upload);
      if (this.#list.children[index] !== item) this.#list.insertBefore(item, this.#list.children[index] ?? null);
    }
  }
}

customElements.define("upload-panel", UploadPanel);
