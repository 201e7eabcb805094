/** @import { MonitorEvent } from "./types.js" */

/**
 * Which events are listed; "" is all. The mark "none" is that of events nobody has marked.
 *
 * @typedef {{ stream: string, kind: string, state: string, mark: string }} EventFilter
 */

/** @type {Readonly<EventFilter>} */
export const EVERYTHING = { stream: "", kind: "", state: "", mark: "" };

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
  if (before) query.set("before", before);
  query.set("limit", String(PAGE));
  return query.toString();
}

/**
 * Whether the server would list it.
 *
 * @param {MonitorEvent} event
 * @param {EventFilter} filter
 */
export function matches(event, filter) {
  return (
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
