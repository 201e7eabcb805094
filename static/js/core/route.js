/** @typedef {{ view: "live" | "videos" | "events" } | { view: "event", id: string }} Route */

/** As the server makes them. */
const EVENT = /^#\/events\/([0-9]{8}T[0-9]{6}-[0-9a-f]{8})$/;

/**
 * Which view an address leads to; null where it leads to a place on the page.
 *
 * @param {string} hash
 * @returns {Route | null}
 */
export function routeOf(hash) {
  if (hash === "" || hash === "#live") return { view: "live" };
  if (hash === "#videos") return { view: "videos" };
  if (!hash.startsWith("#/")) return null;
  const event = EVENT.exec(hash);
  if (event?.[1]) return { view: "event", id: event[1] };
  return hash.startsWith("#/events") ? { view: "events" } : null;
}

/** @param {string} id of an event */
export function eventAddress(id) {
  return `#/events/${id}`;
}
