/** @import { Context, StreamMessage } from "../core/types.js" */
/** @import { FaceRecord, StreamRecord } from "./stream-record.js" */
import { streamScores } from "../core/api.js";
import { h, icon, setAttribute, setIcon, setText } from "../core/dom.js";
import { MAP_WORDS, NO_MAP_WORDS, mapOf, mapWords } from "./evidence.js";
import { FaceList } from "./face-list.js";
import { NO_VERDICT, SCORE_MEANING, age, counted, milliseconds, percent, rarityWords, scoreMeaning, streamFacts, streamState, verdictView } from "../core/format.js";
import { LivePicture } from "./live-picture.js";
import { ScoreChart } from "../charts/score-chart.js";
import { privacyChoice, sensitivityChoice } from "./stream-choice.js";

/** A newest score older than this is no longer news; the face rate may drop to 2/s under load. */
const STALE_SCORE_S = 3;

/** `<stream-card>`: one stream with its picture, verdict, faces, scores and how fresh they are. */
export class StreamCard extends HTMLElement {
  #context;
  #streamId;
  #frame = 0;
  /** @type {(() => void)[]} */
  #ends;
  #picture;
  #chart;
  #faces;
  #sensitivity;
  #privacy;
  #facts = h("p", { class: "card-facts" });
  #stateShape = icon("state-live");
  #stateWords = h("span");
  #state = h("span", { class: "badge", "data-testid": "stream-state" }, this.#stateShape, this.#stateWords);
  #private = h(
    "span",
    { class: "private", hidden: true, title: "No pictures of this stream are kept, only scores", "data-testid": "private" },
    icon("no-pictures"),
    h("span", { class: "visually-hidden" }, "No pictures kept"),
  );
  #veil = h("p", { class: "veil" });
  #selfVideo = h("video", { muted: true, autoplay: true, playsinline: true, "aria-label": "Your camera, not yet analysed" });
  #selfView = h("figure", { class: "self-view", "data-testid": "self-view", hidden: true }, this.#selfVideo, h("figcaption", {}, "You"));
  #verdictShape = icon("not-scored");
  #verdictWords = h("span", { "data-testid": "verdict" });
  #verdictFace = h("span", { class: "verdict-face" });
  #score = h("span", { class: "score", "data-testid": "score", title: SCORE_MEANING });
  #scoreName = h("span", { class: "visually-hidden" });
  #verdict = h(
    "div",
    { class: "verdict" },
    this.#verdictShape,
    h("div", { class: "verdict-words" }, this.#verdictWords, this.#verdictFace),
    this.#scoreName,
    this.#score,
  );
  #freshness = h("span", { "data-testid": "freshness" });
  #latency = h("span", { "data-testid": "latency", title: "From a frame's arrival at the server to its score" });
  #removeWords = h("span", { class: "visually-hidden" });
  #removeShape = icon("remove");
  #remove;
  #enlarge;
  #looked;
  #mapNote = h("p", { class: "map-note", "data-testid": "map-note", hidden: true });
  #mapShown = false;
  #pictureWords = "";

  /**
   * @param {Context} context
   * @param {string} streamId
   * @param {{ remove: (streamId: string) => void }} ask
   */
  constructor(context, streamId, ask) {
    super();
    this.#context = context;
    this.#streamId = streamId;
    const { store, ticker } = context;
    const record = () => store.stream(streamId);
    this.dataset.testid = "stream-card";
    this.dataset.streamId = streamId;
    this.#picture = new LivePicture(streamId, record);
    this.#chart = new ScoreChart(streamId, () => record()?.history ?? null, () => store.clock.now());
    this.#faces = new FaceList(streamId);
    this.#sensitivity = sensitivityChoice(store, streamId);
    this.#privacy = privacyChoice(store, streamId);
    setAttribute(this.#picture, "role", "img");
    this.#remove = h("button", { class: "icon-button", type: "button", onclick: () => this.#onRemove(ask) }, this.#removeShape, this.#removeWords);
    this.#enlarge = h(
      "button",
      { class: "icon-button enlarge", type: "button", "aria-pressed": "false", "aria-label": `Enlarge ${streamId}`, title: "Enlarge", onclick: () => this.#onEnlarge() },
      icon("enlarge"),
    );
    this.#looked = h(
      "button",
      {
        class: "icon-button",
        type: "button",
        "aria-pressed": "false",
        "aria-label": `Show where the network looked in ${streamId}`,
        title: "Show where the network looked",
        "data-testid": "map-toggle",
        onclick: () => this.#onLooked(),
      },
      icon("looked"),
    );
    this.append(
      h(
        "header",
        {},
        h("div", { class: "card-name" }, h("h3", { title: streamId }, streamId), this.#facts),
        this.#private,
        this.#state,
        this.#looked,
        this.#enlarge,
        this.#remove,
      ),
      h("div", { class: "stage" }, this.#picture, this.#veil, this.#selfView),
      this.#mapNote,
      this.#verdict,
      this.#chart,
      this.#faces,
      h("footer", {}, this.#freshness, this.#latency, h("span", { class: "card-choices" }, this.#sensitivity, this.#privacy)),
    );
    setAttribute(this, "role", "article");
    setAttribute(this, "aria-label", `Stream ${streamId}`);
    this.#ends = [
      store.subscribe(`stream:${streamId}`, () => this.#later()),
      store.subscribe("connection", () => this.#later()),
      store.subscribe("stats", () => this.#renderPrivacy()),
      ticker.subscribe(() => this.#tick()),
    ];
    this.#render();
    void this.#loadHistory();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#selfVideo.srcObject = null;
    this.#picture.close();
    this.#chart.close();
  }

  /** Scores from before the page was opened; without them the chart simply starts empty. */
  async #loadHistory() {
    try {
      this.#context.store.addHistory(this.#streamId, await streamScores(this.#streamId));
      this.#chart.renew();
    } catch (error) {
      console.info(`no score history of ${this.#streamId}:`, error);
    }
  }

  #later() {
    if (this.#frame === 0 && this.#ends.length > 0) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#render();
      });
    }
  }

  #tick() {
    const record = this.#context.store.stream(this.#streamId);
    if (!record) return;
    this.#renderState(record.info);
    this.#renderFreshness(record);
    this.#chart.redraw();
  }

  #render() {
    const record = this.#context.store.stream(this.#streamId);
    if (!record) return;
    // what was said of a face no longer holds when no picture of it comes
    const live = record.info.state === "live" && this.#context.store.connection.state === "connected";
    const faces = live ? record.faces() : [];
    this.#renderState(record.info);
    this.#sensitivity.show(record.info);
    this.#privacy.show(record.info);
    this.#renderPrivacy();
    this.#renderVerdict(live, record.standing(), faces.length);
    this.#renderFreshness(record);
    this.#renderShare();
    this.#faces.show(faces, live ? "No face in the picture" : "Faces are listed while the stream is live");
    this.#renderMap(faces);
    this.#picture.redraw();
  }

  /** @param {readonly FaceRecord[]} faces */
  #renderMap(faces) {
    const places = this.#mapShown ? faces.map(({ faceId, score }) => [faceId, mapOf(score?.evidence)]) : [];
    const looked = places.flatMap(([faceId, map]) => (Array.isArray(map) ? `face ${faceId} ${mapWords(map)}` : []));
    setText(this.#mapNote, looked.length > 0 ? MAP_WORDS : NO_MAP_WORDS);
    this.#mapNote.hidden = !this.#mapShown;
    const words = looked.length > 0 ? ` The network looked: ${looked.join("; ")}.` : "";
    setAttribute(this.#picture, "aria-label", this.#pictureWords + words);
  }

  /** @param {StreamMessage} info */
  #renderState(info) {
    const { store } = this.#context;
    const away = store.connection.state === "lost";
    const state = away ? { short: "Unknown", tone: "neutral", detail: "No connection to the server" } : streamState(info, store.clock.now());
    setAttribute(this, "data-state", away ? "unknown" : info.state);
    setAttribute(this.#state, "data-tone", state.tone);
    setIcon(this.#stateShape, away ? "state-lost" : `state-${info.state}`);
    setText(this.#stateWords, state.short);
    setText(this.#veil, state.detail);
    this.#veil.hidden = state.detail === "";
    setText(this.#facts, streamFacts(info));
    setAttribute(this.#facts, "title", [info.url, info.codec?.toUpperCase()].filter(Boolean).join(" · "));
    this.#picture.want(!away && info.state !== "ended");
  }

  /** Where nothing at all is kept there is nothing to choose. */
  #renderPrivacy() {
    const { store } = this.#context;
    this.#privacy.hidden = !store.keeps;
    this.#private.hidden = !store.keeps || !store.stream(this.#streamId)?.info.privacy;
  }

  /**
   * @param {boolean} live
   * @param {FaceRecord | null} face
   * @param {number} count
   */
  #renderVerdict(live, face, count) {
    const view = live ? verdictView(face?.verdict ?? null) : { ...NO_VERDICT, words: "No verdict" };
    const scored = view.rank >= 3 ? (face?.score?.fake_probability ?? face?.verdict?.fake_probability ?? null) : null;
    const words = view.state === "none" && face?.seen?.quality.reason ? `Not scored: ${face.seen.quality.reason}` : view.words;
    setAttribute(this, "data-tone", view.tone);
    setAttribute(this.#verdictWords, "data-verdict", view.state);
    setIcon(this.#verdictShape, view.icon);
    setText(this.#verdictWords, words);
    setText(this.#verdictFace, face && live && count > 1 ? `Face ${face.faceId}, the most suspicious of ${count}` : "");
    setText(this.#score, scored === null ? "" : percent(scored));
    setAttribute(this.#score, "data-value", scored);
    const rarity = scored === null ? "" : rarityWords(face?.score?.evidence?.calibration_percentile);
    setAttribute(this.#score, "title", scoreMeaning(rarity));
    setText(this.#scoreName, scored === null ? "" : `${rarity} Score`.trim());
    this.#pictureWords = `Live picture of ${this.#streamId}, ${counted(live ? count : 0, "face")}. ${words}.`;
  }

  /** @param {StreamRecord} record */
  #renderFreshness(record) {
    const score = record.newestScore;
    const ageS = score ? this.#context.store.clock.now() - score.face_at : null;
    setText(this.#freshness, ageS === null ? "No score yet" : `Newest score ${age(ageS)}`);
    setAttribute(this.#freshness, "data-stale", ageS !== null && ageS > STALE_SCORE_S);
    setText(this.#latency, score ? `Latency ${milliseconds(score.latency_ms)}` : "");
  }

  #renderShare() {
    const { share } = this.#context.store;
    const own = share.streamId === this.#streamId && share.media !== null;
    this.#selfView.hidden = !own;
    const media = own ? share.media : null;
    this.#selfVideo.muted = true;
    if (this.#selfVideo.srcObject !== media) this.#selfVideo.srcObject = media;
    setAttribute(this, "data-own", own);
    setAttribute(this.#remove, "data-testid", own ? "share-stop" : "remove-stream");
    setIcon(this.#removeShape, own ? "stop" : "remove");
    const words = own ? "Stop sharing" : "Remove";
    setText(this.#removeWords, `${words} ${this.#streamId}`);
    setAttribute(this.#remove, "title", words);
  }

  /** @param {{ remove: (streamId: string) => void }} ask */
  #onRemove(ask) {
    if (this.#context.store.share.streamId === this.#streamId) this.#context.share.stop();
    else ask.remove(this.#streamId);
  }

  #onLooked() {
    this.#mapShown = !this.#mapShown;
    setAttribute(this.#looked, "aria-pressed", String(this.#mapShown));
    this.#picture.showMaps(this.#mapShown ? (this.#context.store.server?.cropScale ?? 1) : null);
    this.#render();
  }

  #onEnlarge() {
    const large = this.classList.toggle("large");
    setAttribute(this.#enlarge, "aria-pressed", String(large));
    setAttribute(this.#enlarge, "title", large ? "Normal size" : "Enlarge");
  }
}

customElements.define("stream-card", StreamCard);
