/** @import { Store } from "../core/store.js" */
/** @import { Upload } from "../core/types.js" */
import { ApiError, predictVideo, randomId } from "../core/api.js";

/** Results stay over a reload of the page, but no longer than its tab. */
const STORAGE_KEY = "deepfake-monitor.uploads";
const MAX_KEPT = 20;

/** Videos that were sent to be checked, with their progress and results. */
export class Uploads {
  #store;
  /** @type {Map<string, () => void>} */
  #running = new Map();

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    for (const upload of restored()) store.putUpload(upload);
  }

  /** @param {File} file */
  async start(file) {
    /** @type {Upload} */
    const upload = { id: randomId(), filename: file.name, bytes: file.size, phase: "sending", progress: 0, error: null, report: null };
    this.#store.putUpload(upload);
    if (file.size === 0) return this.#finish({ ...upload, phase: "failed", error: "The file is empty." });
    const { result, cancel } = predictVideo(file, upload.id, (sent) => this.#onSent(upload.id, sent));
    this.#running.set(upload.id, cancel);
    try {
      const report = await result;
      return this.#finish({ ...upload, phase: "done", progress: 1, report });
    } catch (error) {
      if (error instanceof ApiError && error.code === "cancelled") return this.#finish({ ...upload, phase: "cancelled" });
      return this.#finish({ ...upload, phase: "failed", error: error instanceof Error ? error.message : String(error) });
    }
  }

  /** @param {string} uploadId */
  cancel(uploadId) {
    this.#running.get(uploadId)?.();
  }

  /** @param {string} uploadId */
  forget(uploadId) {
    this.cancel(uploadId);
    this.#store.dropUpload(uploadId);
    this.#keep();
  }

  close() {
    for (const cancel of this.#running.values()) cancel();
    this.#running.clear();
  }

  /**
   * @param {string} uploadId
   * @param {number} sent
   */
  #onSent(uploadId, sent) {
    const upload = this.#store.uploads().find((each) => each.id === uploadId);
    if (upload?.phase !== "sending") return; // the analysis has begun to report
    this.#store.putUpload(sent < 1 ? { ...upload, progress: sent } : { ...upload, phase: "analysing", progress: 0 });
  }

  /** @param {Upload} upload */
  #finish(upload) {
    this.#running.delete(upload.id);
    if (this.#store.uploads().some((each) => each.id === upload.id)) this.#store.putUpload(upload);
    this.#keep();
  }

  #keep() {
    const done = this.#store.uploads().filter((upload) => upload.phase === "done" || upload.phase === "failed");
    try {
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify(done.slice(0, MAX_KEPT).reverse()));
    } catch {
      // storage is full or forbidden: the list then lasts as long as the page
    }
  }
}

/** @returns {Upload[]} */
function restored() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}
