/** @import { MonitorEvent } from "../core/types.js" */

/**
 * Which events are listed; "" is all. The mark "none" is that of events nobody has marked. `from` and `to` are the first and the last
 * day on which they began, YYYY-MM-DD where the page is looked at.
 *
 * @typedef {{ stream: string, kind: string, state: string, mark: string, from: string, to: string }} EventFilter
 */

/** @type {Readonly<EventFilter>} */
export const EVERYTHING = { stream: "", kind: "", state: "", mark: "", from: "", to: "" };

/** Events of one page. */
const PAGE = 50;

/**
 * The query of `GET /api/events`.
 *
 * @param {EventFilter} filter
 * @param {string | null} before `next` of the page before; null for the newest
 */
export function queryOf(filter, before = null) {
  const query = new URLSearchParams();
  if (filter.stream) query.set("stream_id", filter.stream);
  if (filter.kind) query.set("kind", filter.kind);
  if (filter.state) query.set("state", filter.state);
  if (filter.mark === "none") query.set("marked", "false");
  else if (filter.mark) query.set("mark", filter.mark);
  const { since, until } = timesOf(filter);
  if (since !== null) query.set("since", String(since));
  if (until !== null) query.set("until", String(until));
  if (before) query.set("before", before);
  query.set("limit", String(PAGE));
  return query.toString();
}

/**
 * Unix seconds of `from` and of the end of `to`; null where there is none.
 *
 * @param {EventFilter} filter
 */
export function timesOf({ from, to }) {
  return { since: midnight(from, 0), until: midnight(to, 1) };
}

/**
 * @param {string} day
 * @param {number} later days; added to the date, for a day may have 23 hours
 */
function midnight(day, later) {
  const [year, month, date] = day.split("-").map(Number);
  if (year === undefined || month === undefined || date === undefined) return null;
  return new Date(year, month - 1, date + later).getTime() / 1000;
}

/**
 * Whether the server would list it.
 *
 * @param {MonitorEvent} event
 * @param {EventFilter} filter
 */
export function matches(event, filter) {
  const { since, until } = timesOf(filter);
  return (
    (since === null || event.started_at >= since) &&
    (until === null || event.started_at < until) &&
    (!filter.stream || event.stream_id === filter.stream) &&
    (!filter.kind || event.kind === filter.kind) &&
    (!filter.state || event.state === filter.state) &&
    (!filter.mark || (event.mark ?? "none") === filter.mark)
  );
}

/** Whether it leaves anything out. @param {EventFilter} filter */
export function isNarrow(filter) {
  return Object.values(filter).some((value) => value !== "");
}
