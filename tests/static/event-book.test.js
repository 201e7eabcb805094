import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_LISTED } from "../../static/js/events/event-book.js";
import { EVERYTHING } from "../../static/js/events/event-filter.js";
import { Store } from "../../static/js/core/store.js";
import { event, eventMessage } from "./messages.js";

const id = (number) => `20260921T1413${String(number).padStart(2, "0")}-00000000`;
const made = (number, change = {}) => event({ id: id(number), ...change });
const idsOf = (events) => events.listed().map((each) => Number(each.id.slice(13, 15)));

/** A store whose list shows these events. */
function listing(numbers, { next = null, filter = EVERYTHING } = {}) {
  const store = new Store();
  store.events.begin(filter);
  store.events.putPage({ items: numbers.map((number) => made(number)), next }, 0);
  return store;
}

test("pages follow one another, the newest first", () => {
  const { events } = listing([9, 8], { next: id(8) });
  events.waitForOlder();
  assert.equal(events.list.older, true);
  events.putPage({ items: [made(7), made(6)], next: null }, events.heard);
  assert.deepEqual(idsOf(events), [9, 8, 7, 6]);
  assert.deepEqual([events.list.next, events.list.older, events.list.phase], [null, false, "ready"]);
});

test("a new event waits until it is shown, and an update does not", () => {
  const store = listing([5, 4]);
  store.apply(eventMessage({ id: id(6) }));
  store.apply(eventMessage({ id: id(6), peak_probability: 0.99 }));
  store.apply(eventMessage({ id: id(5), state: "interrupted" }));
  assert.deepEqual(idsOf(store.events), [5, 4]);
  assert.equal(store.events.newsCount, 1);
  assert.equal(store.events.get(id(5)).state, "interrupted");
  store.events.showNews();
  assert.deepEqual(idsOf(store.events), [6, 5, 4]);
  assert.equal(store.events.newsCount, 0);
});

test("an event that the filter leaves out is no news; one that no longer fits stays where it is", () => {
  const store = listing([5], { filter: { ...EVERYTHING, state: "ended" } });
  store.apply(eventMessage({ id: id(6), state: "open", ended_at: null }));
  assert.equal(store.events.newsCount, 0);
  store.apply(eventMessage({ id: id(6), state: "ended" }));
  assert.equal(store.events.newsCount, 1);
  store.apply(eventMessage({ id: id(5), state: "interrupted" }));
  assert.deepEqual(idsOf(store.events), [5]);
});

test("what happens to an event of a page that was not loaded is no news", () => {
  const store = listing([5, 4], { next: id(4) });
  store.apply(eventMessage({ id: id(3), mark: "unsure" }));
  assert.equal(store.events.newsCount, 0);
});

test("a deleted event leaves the list and the news, and no late answer brings it back", () => {
  const store = listing([5, 4]);
  const asked = store.events.heard;
  store.apply(eventMessage({ id: id(6) }));
  for (const number of [5, 6]) store.apply(eventMessage({ id: id(number) }, true));
  assert.deepEqual(idsOf(store.events), [4]);
  assert.equal(store.events.newsCount, 0);
  store.events.learn(made(5), asked);
  assert.equal(store.events.get(id(5)), null);
  assert.equal(store.events.isGone(id(5)), true);
});

test("an answer that was on its way while something was heard is older", () => {
  const store = listing([5]);
  const asked = store.events.heard;
  store.apply(eventMessage({ id: id(5), mark: "confirmed" }));
  store.events.learn(made(5), asked);
  assert.equal(store.events.get(id(5)).mark, "confirmed");
  store.events.learn(made(5), store.events.heard);
  assert.equal(store.events.get(id(5)).mark, null);
});

test("what is heard while the first page is on its way is not lost", () => {
  const store = new Store();
  store.events.begin(EVERYTHING);
  const asked = store.events.heard;
  store.apply(eventMessage({ id: id(9) }));
  store.events.putPage({ items: [made(5)], next: null }, asked);
  assert.equal(store.events.newsCount, 1);
});

test("a mark is shown at once, and taken back when the server refuses", () => {
  const store = listing([5]);
  const settle = store.events.wish(id(5), "false alarm", "a reflection");
  assert.equal(store.events.listed()[0].mark, "false alarm");
  store.apply(eventMessage({ id: id(5), peak_probability: 0.5 }));
  assert.equal(store.events.get(id(5)).mark, "false alarm");
  settle();
  assert.deepEqual([store.events.get(id(5)).mark, store.events.get(id(5)).mark_note], [null, ""]);
});

test("the end of an earlier wish does not end the later one", () => {
  const store = listing([5]);
  const first = store.events.wish(id(5), "unsure", "");
  store.events.wish(id(5), "confirmed", "");
  first();
  assert.equal(store.events.get(id(5)).mark, "confirmed");
});

test("after a lost connection what is gone goes and what is new waits", () => {
  const { events } = listing([7, 6, 5], { next: id(5) });
  events.renew({ items: [made(8), made(7)], next: id(7) }, events.heard);
  assert.deepEqual(idsOf(events), [7, 6, 5]);
  events.renew({ items: [made(8), made(6), made(5)], next: id(5) }, events.heard);
  assert.deepEqual([idsOf(events), events.newsCount, events.list.next], [[6, 5], 1, id(5)]);
});

test("after so long that a page does not reach back, the list begins anew", () => {
  const { events } = listing([3, 2], { next: id(2) });
  events.renew({ items: [made(9), made(8)], next: id(8) }, events.heard);
  assert.deepEqual([idsOf(events), events.newsCount, events.list.next], [[9, 8], 0, id(8)]);
});

test("an error keeps what is listed, and stands for it where nothing is", () => {
  const { events } = listing([5], { next: id(5) });
  events.fail("no way");
  assert.deepEqual([events.list.phase, events.list.error], ["ready", "no way"]);
  events.begin(EVERYTHING);
  events.fail("no way");
  assert.equal(events.list.phase, "failed");
  events.fail("nothing is kept", true);
  assert.equal(events.list.phase, "nothing kept");
});

test("an alert finds its event by stream, face and start", () => {
  const { events } = listing([5]);
  assert.equal(events.ofAlert("cam", 3, 1_790_000_000.4)?.id, id(5));
  assert.equal(events.ofAlert("cam", 3, 1_790_000_010), null);
  assert.equal(events.ofAlert("cam", 2, 1_790_000_000), null);
  assert.equal(events.ofAlert("door", 3, 1_790_000_000), null);
});

test("views hear of the event that they show, and of the list", () => {
  const store = listing([5]);
  const told = [];
  for (const topic of ["events", `event:${id(5)}`, `event:${id(4)}`]) store.subscribe(topic, () => told.push(topic));
  store.apply(eventMessage({ id: id(5) }));
  assert.deepEqual(told, [`event:${id(5)}`, "events"]);
});

test("events that nobody lists are forgotten in the end", () => {
  const store = new Store();
  for (let number = 0; number < 400; number += 1) store.apply(eventMessage({ id: `20260921T141320-${String(number).padStart(8, "0")}` }));
  assert.equal(store.events.get("20260921T141320-00000000"), null);
  assert.notEqual(store.events.get("20260921T141320-00000399"), null);
});

/** An id of one of thousands. */
const numbered = (number) => `20260921T141320-${String(number).padStart(8, "0")}`;

test("a list that nobody reads keeps the newest, and the others are behind its end", () => {
  const store = new Store();
  store.events.begin(EVERYTHING);
  store.events.putPage({ items: [], next: null }, 0);
  for (let number = 0; number < MAX_LISTED + 100; number += 1) {
    store.apply(eventMessage({ id: numbered(number) }));
    store.events.showNews();
  }
  const listed = store.events.listed();
  assert.deepEqual([listed.length, listed.at(0).id, listed.at(-1).id], [MAX_LISTED, numbered(MAX_LISTED + 99), numbered(100)]);
  assert.equal(store.events.list.next, numbered(100));
  store.events.putPage({ items: [made(0, { id: numbered(99) })], next: null }, store.events.heard);
  assert.equal(store.events.listed().length, MAX_LISTED + 1);
});

test("a list for which older events were asked stays as long", () => {
  const store = new Store();
  store.events.begin(EVERYTHING);
  const items = Array.from({ length: MAX_LISTED + 100 }, (_, number) => made(0, { id: numbered(number) })).reverse();
  for (let at = 0; at < items.length; at += 100) {
    store.events.putPage({ items: items.slice(at, at + 100), next: items[at + 100]?.id ?? null }, 0);
  }
  store.apply(eventMessage({ id: numbered(MAX_LISTED + 100) }));
  store.events.showNews();
  const listed = store.events.listed();
  assert.deepEqual([listed.length, listed.at(0).id], [MAX_LISTED + 100, numbered(MAX_LISTED + 100)]);
  assert.equal(store.events.list.next, numbered(1));
});

test("what waits beside a list that is read is bounded, and shown without a hole", () => {
  const store = listing([1]);
  for (let number = 0; number < MAX_LISTED; number += 1) store.apply(eventMessage({ id: numbered(number) }));
  assert.deepEqual([store.events.newsCount, store.events.newsCut], [MAX_LISTED, false]);
  for (let number = 0; number < 10; number += 1) store.apply(eventMessage({ id: numbered(MAX_LISTED + number) }));
  assert.deepEqual([store.events.newsCount, store.events.newsCut], [MAX_LISTED, true]);
  assert.deepEqual(idsOf(store.events), [1]);
  store.apply(eventMessage({ id: numbered(20) }, true));
  store.events.showNews();
  const ids = store.events.listed().map((each) => each.id);
  assert.deepEqual([ids.length, ids.at(-1), store.events.list.next], [MAX_LISTED - 1, numbered(10), numbered(10)]);
  assert.equal(store.events.newsCut, false);
});

test("what the server has is told apart from what was wished", () => {
  const store = listing([5]);
  store.events.wish(id(5), "confirmed", "seen twice");
  assert.equal(store.events.get(id(5)).mark_note, "seen twice");
  assert.equal(store.events.told(id(5)).mark_note, "");
});
