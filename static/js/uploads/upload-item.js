/** @import { Context, Upload, VideoReport } from "../core/types.js" */
import { h, icon, setAttribute, setText } from "../core/dom.js";
import { SCORE_MEANING, bytes, duration, notScoredWords, percent, videoVerdict } from "../core/format.js";
import { MAP_WORDS } from "../streams/evidence.js";
import { PeakFigure } from "./peak-figure.js";
import { TimelineChart } from "../charts/timeline-chart.js";

/* The API's `confidence` is not shown: beside "nothing found", "93 % confidence" would read as certainty. */
const THRESHOLD_WORDS = "From 50 % on it counts as manipulated";

/** `<upload-item>`: one video on its way, its result, or what went wrong. */
export class UploadItem extends HTMLElement {
  #context;
  #uploadId;
  /** @type {Upload["phase"] | null} */
  #phase = null;
  #bar = h("progress", { max: 1, "data-testid": "upload-progress" });
  #words = h("span");

  /**
   * @param {Context} context
   * @param {string} uploadId
   */
  constructor(context, uploadId) {
    super();
    this.#context = context;
    this.#uploadId = uploadId;
  }

  /** @param {Upload} upload */
  show(upload) {
    setAttribute(this, "data-phase", upload.phase);
    if (upload.phase === "sending" || upload.phase === "analysing") {
      if (this.#phase !== "sending" && this.#phase !== "analysing") this.replaceChildren(this.#head(upload), this.#running());
      const percentDone = `${Math.floor(upload.progress * 100)} %`;
      const words = upload.phase === "sending" ? `Sending, ${percentDone} of ${bytes(upload.bytes)}` : `Looking at faces, ${percentDone}`;
      setText(this.#words, upload.phase === "analysing" && upload.progress === 0 ? "Sent. Waiting for the analysis" : words);
      this.#bar.value = upload.progress;
      setAttribute(this.#bar, "aria-label", `${upload.filename}: ${this.#words.textContent}`);
    } else if (this.#phase !== upload.phase) {
      this.replaceChildren(this.#head(upload), upload.report ? result(upload.report) : failure(upload));
    }
    this.#phase = upload.phase;
  }

  /** @param {Upload} upload */
  #head(upload) {
    const { uploads } = this.#context;
    const running = upload.phase === "sending" || upload.phase === "analysing";
    const button = running
      ? h("button", { type: "button", class: "small", "data-testid": "upload-cancel", onclick: () => uploads.cancel(this.#uploadId) }, "Cancel")
      : h("button", { type: "button", class: "icon-button", "aria-label": `Forget ${upload.filename}`, title: "Forget", onclick: () => uploads.forget(this.#uploadId) }, icon("close"));
    return h("header", {}, icon("film"), h("h3", { title: upload.filename }, upload.filename), h("span", { class: "muted" }, bytes(upload.bytes)), button);
  }

  #running() {
    return h("div", { class: "upload-running" }, this.#bar, this.#words);
  }
}

/** @param {Upload} upload */
function failure(upload) {
  if (upload.phase === "cancelled") return h("p", { class: "muted" }, "Cancelled; nothing was kept.");
  return h("p", { class: "form-error", role: "alert", "data-testid": "upload-error" }, icon("suspicious"), h("span", {}, upload.error ?? "It failed without a reason."));
}

/** @param {VideoReport} report */
function result(report) {
  const { prediction, video, model } = report;
  const { words, tone, icon: shape } = videoVerdict(prediction.is_deepfake);
  return h(
    "div",
    { "data-testid": "upload-result", "data-tone": tone, "data-label": prediction.label, class: "upload-result" },
    h(
      "div",
      { class: "verdict" },
      icon(shape),
      h(
        "div",
        { class: "verdict-words" },
        h("span", { "data-testid": "upload-verdict" }, words),
        h("span", { class: "verdict-face" }, THRESHOLD_WORDS),
      ),
      h("span", { class: "visually-hidden" }, "Score"),
      h("span", { class: "score", title: SCORE_MEANING, "data-testid": "upload-score", "data-value": prediction.raw_score }, percent(prediction.raw_score)),
    ),
    h("p", { class: "upload-note", "data-testid": "upload-meaning" }, icon("info"), h("span", {}, meaning(report))),
    ...video.notes.map((note) => h("p", { class: "upload-note", "data-testid": "upload-note" }, icon("info"), h("span", {}, note))),
    new TimelineChart(report),
    peaks(report),
    faceTable(report),
    h(
      "p",
      { class: "muted small-print" },
      `${duration(video.duration_s)}, ${video.width} × ${video.height}, ${video.fps.toFixed(video.fps % 1 ? 2 : 0)} fps, ${video.frames_read.toLocaleString("en")} frames read. ` +
        `Raw score ${prediction.raw_score.toFixed(4)} by ${model.name} (${model.aggregate}).`,
    ),
  );
}

/**
 * What the result is worth and, where nothing was found, what is missed.
 *
 * @param {VideoReport} report
 */
function meaning({ prediction, model }) {
  if (prediction.is_deepfake) return "The network can be wrong: look at the evidence before you act.";
  return `This is no proof that the video is genuine. ${model.coverage ?? ""}`.trim();
}

/** So many faces are shown at their most suspicious; the table has all. */
const MAX_PEAKS = 8;

/** @param {VideoReport} report */
function peaks(report) {
  const faces = report.faces.filter((face) => face.peak).sort((a, b) => (b.peak?.fake_probability ?? 0) - (a.peak?.fake_probability ?? 0));
  if (faces.length === 0) return null;
  const figures = faces.slice(0, MAX_PEAKS).map((face) => new PeakFigure(face));
  const note = h("p", { class: "map-note", "data-testid": "map-note", hidden: true }, MAP_WORDS);
  const button = h("button", { type: "button", class: "small", "aria-pressed": "false", "data-testid": "map-toggle", onclick: () => toggle() }, icon("looked"), "Where the network looked");
  const toggle = () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    setAttribute(button, "aria-pressed", String(shown));
    note.hidden = !shown;
    for (const figure of figures) figure.showMap(shown);
  };
  return h(
    "section",
    { class: "peaks", "aria-label": `Most suspicious windows of ${report.filename}` },
    h("header", {}, h("h4", {}, "Most suspicious windows"), button),
    note,
    h("div", { class: "peak-list" }, ...figures),
  );
}

/** @param {VideoReport} report */
function faceTable(report) {
  if (report.faces.length === 0) return null;
  const rows = report.faces.map((face) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, `Face ${face.face_id}`),
      h("td", {}, `${duration(face.first_s)} to ${duration(face.last_s)}`),
      h("td", { class: "number" }, percent(face.fake_probability)),
      h("td", { class: "number" }, String(face.windows)),
      h("td", {}, notScoredWords(face.not_scored)),
    ),
  );
  const heads = ["Face", "Seen", "Score", "Windows", "Pictures not scored"].map((name) => h("th", { scope: "col" }, name));
  return h(
    "div",
    { class: "table-scroll", tabindex: 0, role: "region", "aria-label": `Faces in ${report.filename}` },
    h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)),
  );
}

customElements.define("upload-item", UploadItem);
