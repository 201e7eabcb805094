import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERYTHING, isNarrow, matches, queryOf, timesOf } from "../../static/js/events/event-filter.js";
import { routeOf } from "../../static/js/core/route.js";
import { event } from "./messages.js";

test("a filter is asked for in the server's words", () => {
  assert.equal(queryOf(EVERYTHING), "limit=50");
  const filter = { ...EVERYTHING, stream: "a b&c", kind: "black picture", state: "open", mark: "false alarm" };
  assert.equal(queryOf(filter, "X"), "stream_id=a+b%26c&kind=black+picture&state=open&mark=false+alarm&before=X&limit=50");
  assert.equal(queryOf({ ...EVERYTHING, mark: "none" }), "marked=false&limit=50");
});

test("days are asked for from midnight to midnight of where the page is looked at", () => {
  const at = (...date) => new Date(...date).getTime() / 1000;
  const filter = { ...EVERYTHING, from: "2026-03-28", to: "2026-03-31" };
  assert.deepEqual(timesOf(filter), { since: at(2026, 2, 28), until: at(2026, 3, 1) });
  assert.equal(queryOf(filter), `since=${at(2026, 2, 28)}&until=${at(2026, 3, 1)}&limit=50`);
  assert.equal(queryOf({ ...EVERYTHING, to: "2026-03-28" }), `until=${at(2026, 2, 29)}&limit=50`);
});

test("what comes live is of the days that are listed", () => {
  const started_at = new Date(2026, 2, 28, 12).getTime() / 1000;
  for (const [from, to, fits] of [["2026-03-28", "2026-03-28", true], ["2026-03-29", "", false], ["", "2026-03-27", false], ["", "2026-03-28", true]]) {
    assert.equal(matches(event({ started_at }), { ...EVERYTHING, from, to }), fits, `${from} ${to}`);
  }
});

test("what comes live is filtered as the server would", () => {
  for (const [change, fits] of [[{}, true], [{ stream: "cam" }, true], [{ stream: "door" }, false], [{ kind: "black picture" }, false], [{ state: "ended" }, true], [{ state: "open" }, false], [{ mark: "none" }, true], [{ mark: "unsure" }, false]]) {
    assert.equal(matches(event(), { ...EVERYTHING, ...change }), fits, JSON.stringify(change));
  }
  assert.equal(matches(event({ mark: "unsure" }), { ...EVERYTHING, mark: "none" }), false);
  assert.equal(matches(event({ mark: "unsure" }), { ...EVERYTHING, mark: "unsure" }), true);
});

test("whether anything is left out", () => {
  assert.equal(isNarrow(EVERYTHING), false);
  assert.equal(isNarrow({ ...EVERYTHING, mark: "none" }), true);
});

test("addresses lead to views, and only well-formed ids to an event", () => {
  assert.deepEqual(routeOf(""), { view: "live" });
  assert.deepEqual(routeOf("#live"), { view: "live" });
  assert.deepEqual(routeOf("#videos"), { view: "videos" });
  assert.deepEqual(routeOf("#/events"), { view: "events" });
  assert.deepEqual(routeOf("#/events/20260921T141320-0a1b2c3d"), { view: "event", id: "20260921T141320-0a1b2c3d" });
  for (const hash of ["#/events/", "#/events/../streams", "#/events/20260921T141320-0a1b2c3d/x"]) assert.deepEqual(routeOf(hash), { view: "events" }, hash);
  for (const hash of ["#main", "#/nowhere", "#"]) assert.equal(routeOf(hash), null, hash);
});
