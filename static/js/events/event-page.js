/** @import { Context, MonitorEvent, PartInfo } from "../core/types.js" */
/** @import { Point } from "../charts/score-history.js" */
import { partAddress, request } from "../core/api.js";
import { h, icon, setAttribute, setIcon, setText } from "../core/dom.js";
import { EventChart } from "./event-chart.js";
import { isMissing, isNothingKept, wordsOf } from "./event-desk.js";
import { EventFacts } from "./event-facts.js";
import { EventPictures } from "./event-pictures.js";
import { continued, parseSeries } from "./event-series.js";
import { eventTitle, kindView, stateView } from "./event-words.js";
import { EvidenceBox } from "./evidence-box.js";
import { counted, percent, SCORE_MEANING } from "../core/format.js";
import { MarkForm } from "./mark-form.js";
import { LIVE_RETRY_PAUSES_S, PART_RETRY_PAUSES_S, retryPauseMs } from "../core/retry.js";

/** `<event-page>`: one event with its evidence; while it goes on, what is new appears. */
export class EventPage extends HTMLElement {
  #context;
  #id;
  #titled;
  /** @type {(() => void)[]} */
  #ends;
  /** @type {"loading" | "ready" | "gone" | "nothing kept" | "failed"} */
  #phase = "loading";
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewTimer;
  #greetings = 0;
  /** Of the file, which may be older than what is scored now. @type {Point[]} */
  #points = [];
  #seriesSum = "";
  #shape = icon("info");
  #title = h("h2", { tabindex: -1 }, "Event");
  #stateShape = icon("state-ended");
  #stateWords = h("span");
  #state = h("span", { class: "badge", "data-testid": "page-state" }, this.#stateShape, this.#stateWords);
  #score = h("span", { class: "score", title: SCORE_MEANING, "data-testid": "page-score" });
  #note = h("div", { class: "event-note", "data-testid": "event-note" });
  #body = h("div", { class: "event-body", hidden: true });
  #chart = new EventChart();
  #chartNote = h("p", { class: "help", "data-testid": "chart-note" });
  #scores = h("section", { class: "event-part", "aria-label": "Scores" }, h("h3", {}, "Scores"), this.#chart, this.#chartNote);
  #pictures;
  #form;
  #facts = new EventFacts();
  #delete = h("button", { type: "button", "data-testid": "delete-event", "aria-describedby": "delete-help" }, icon("remove"), "Delete this event");
  #deleteHelp = h("p", { class: "help", id: "delete-help" });

  /**
   * @param {Context} context
   * @param {string} id
   * @param {{ deleteEvent: (id: string) => void, titled: (title: string) => void }} actions
   */
  constructor(context, id, actions) {
    super();
    this.#context = context;
    this.#id = id;
    this.#titled = actions.titled;
    this.#pictures = new EventPictures(id);
    this.#form = new MarkForm(context, id);
    this.#delete.addEventListener("click", () => actions.deleteEvent(id));
    this.#body.append(
      h("div", { class: "event-main" }, this.#scores, this.#pictures),
      h(
        "div",
        { class: "event-side" },
        this.#form,
        new EvidenceBox(id),
        h("section", { "aria-label": "Facts" }, h("h3", {}, "Facts"), this.#facts),
        h("div", { class: "event-delete" }, this.#delete, this.#deleteHelp),
      ),
    );
    this.append(
      h("a", { class: "back", href: "#/events", "data-testid": "back-to-events" }, icon("back"), "Events"),
      h("header", { class: "event-head" }, h("div", { class: "event-name" }, this.#shape, this.#title), this.#state, this.#score),
      this.#note,
      this.#body,
    );
    const { store, ticker } = context;
    this.#ends = [
      store.subscribe(`event:${id}`, () => this.#render()),
      store.subscribe("server", () => this.#onGreeting()),
      ticker.subscribe(() => this.#tick()),
    ];
    this.#render();
    void this.#load();
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#renewTimer);
    for (const end of this.#ends) end();
  }

  /** The keyboard and the screen reader begin at the heading. */
  open() {
    this.#title.focus();
  }

  async #load() {
    this.#phase = "loading";
    this.#renderNote("");
    try {
      await this.#context.events.load(this.#id);
      this.#phase = "ready";
    } catch (error) {
      if (this.#closed) return;
      const known = this.#context.store.events.get(this.#id) !== null;
      this.#phase = isNothingKept(error) ? "nothing kept" : isMissing(error) && !known ? "gone" : known ? "ready" : "failed";
      this.#renderNote(wordsOf(error));
    }
    if (!this.#closed) this.#render();
  }

  /** After a greeting whatever was sent before may have been missed. */
  #onGreeting() {
    clearTimeout(this.#renewTimer);
    this.#greetings += 1;
    if (this.#phase === "failed") void this.#load();
    else void this.#renew(this.#greetings, 0);
  }

  /**
   * What is shown stays until there is an answer, and is asked for until then.
   *
   * @param {number} greeting a newer one begins anew
   * @param {number} attempt from 0
   */
  async #renew(greeting, attempt) {
    try {
      await this.#context.events.load(this.#id); // which renders
    } catch (error) {
      if (this.#closed || greeting !== this.#greetings || isMissing(error) || isNothingKept(error)) return;
      console.info("the event could not be asked for again:", error);
      this.#renewTimer = setTimeout(() => void this.#renew(greeting, attempt + 1), retryPauseMs(LIVE_RETRY_PAUSES_S, attempt));
    }
  }

  #render() {
    const { store } = this.#context;
    const event = store.events.get(this.#id);
    if (store.events.isGone(this.#id)) this.#phase = "gone";
    this.#body.hidden = event === null;
    for (const element of [this.#state, this.#shape, this.#score]) setAttribute(element, "hidden", event === null);
    if (!event) {
      setText(this.#title, this.#phase === "gone" ? "This event is gone" : "Event");
      this.#titled(this.#title.textContent ?? "");
      return this.#renderNote("");
    }
    this.#phase = "ready"; // it was known from the list, or came live
    this.#renderNote("");
    const [kind, state] = [kindView(event.kind), stateView(event.state)];
    setAttribute(this, "data-tone", kind.tone);
    setAttribute(this, "data-state", event.state);
    setIcon(this.#shape, kind.icon);
    setText(this.#title, eventTitle(event));
    this.#titled(eventTitle(event));
    setAttribute(this.#state, "data-tone", state.tone);
    setAttribute(this.#state, "title", state.meaning);
    setIcon(this.#stateShape, state.icon);
    setText(this.#stateWords, state.words);
    setText(this.#score, event.peak_probability === null ? "" : `highest ${percent(event.peak_probability)}`);
    this.#form.show(event);
    this.#pictures.show(event);
    this.#facts.show(event, store.clock.now());
    this.#delete.disabled = event.state === "open";
    setText(this.#deleteHelp, event.state === "open" ? "It can be deleted when it has ended." : "With its scores, pictures and clip, for everyone.");
    const series = event.parts.find((part) => part.name === "scores.jsonl");
    if (series && series.sha256 !== this.#seriesSum) {
      this.#seriesSum = series.sha256;
      void this.#loadSeries(event, series, 0);
    }
    return this.#renderChart(event);
  }

  /** @param {MonitorEvent} event */
  #renderChart(event) {
    this.#scores.hidden = event.kind !== "suspected manipulation";
    if (this.#scores.hidden || event.face_id === null) return;
    // until the file is made anew, what this page hears of the stream continues it
    const heard = event.state === "open" ? (this.#context.store.stream(event.stream_id)?.history.lines(event.face_id, 0).flat() ?? []) : [];
    this.#chart.show(event, continued(this.#points, heard));
  }

  /**
   * @param {MonitorEvent} event
   * @param {PartInfo} part
   * @param {number} attempt from 0
   */
  async #loadSeries(event, part, attempt) {
    try {
      const text = await (await request(partAddress(event.id, part))).text();
      if (this.#closed || part.sha256 !== this.#seriesSum) return;
      const { points, damaged } = parseSeries(text, event.face_id);
      this.#points = points;
      setText(this.#chartNote, damaged > 0 ? `${counted(damaged, "line")} of the file of scores could not be read.` : "");
      this.#renderChart(this.#context.store.events.get(this.#id) ?? event);
    } catch (error) {
      if (this.#closed || part.sha256 !== this.#seriesSum) return;
      if (attempt < PART_RETRY_PAUSES_S.length) {
        this.#timer = setTimeout(() => void this.#loadSeries(event, part, attempt + 1), retryPauseMs(PART_RETRY_PAUSES_S, attempt));
      } else setText(this.#chartNote, `The scores could not be loaded: ${wordsOf(error)}`);
    }
  }

  /**
   * What stands in the place of an event.
   *
   * @param {string} why
   */
  #renderNote(why) {
    if (this.#note.dataset.phase === this.#phase) return;
    this.#note.dataset.phase = this.#phase;
    const words = {
      loading: [h("p", { class: "muted", role: "status" }, "Loading the event…")],
      ready: [],
      gone: [h("p", { role: "status" }, "It was deleted, or it was never here. What was downloaded of it can still be checked."), h("a", { href: "#/events" }, "To the list of events")],
      "nothing kept": [h("h3", {}, "Nothing is kept"), h("p", {}, "This monitor is set to store nothing (storage.enabled is off in its settings).")],
      failed: [h("h3", {}, "The event could not be loaded"), h("p", { role: "alert" }, why), h("button", { type: "button", "data-testid": "event-retry", onclick: () => void this.#load() }, "Try again")],
    };
    this.#note.replaceChildren(...words[this.#phase]);
  }

  #tick() {
    const { store } = this.#context;
    const event = store.events.get(this.#id);
    if (event?.state !== "open") return;
    this.#facts.show(event, store.clock.now());
    this.#renderChart(event);
  }
}

customElements.define("event-page", EventPage);
