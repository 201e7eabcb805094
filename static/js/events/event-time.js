import { h } from "../core/dom.js";
import { localTime, utcTime } from "./event-words.js";

/**
 * A moment in the reader's own time; where one points at it, in UTC.
 *
 * @param {number} at Unix seconds
 * @param {(at: number) => string} words
 */
export function timeOf(at, words = localTime) {
  return h("time", { datetime: new Date(at * 1000).toISOString(), title: utcTime(at) }, words(at));
}
