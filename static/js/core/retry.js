/** Pauses between attempts, in seconds; the last one repeats. Live socket: quick first, for a restart takes a second or two. */
export const LIVE_RETRY_PAUSES_S = [1, 2, 4, 8, 15];
/** A picture is worth less than the messages: one card's socket never hammers a busy server. */
export const VIEW_RETRY_PAUSES_S = [1, 3, 8, 15];
/** A webcam's peer connection; the server needs some seconds to notice that the old peer is gone. */
export const WHIP_RETRY_PAUSES_S = [2, 4, 8, 15];
/** A file of an event is told of before it is written; after the last pause it is given up. */
export const PART_RETRY_PAUSES_S = [1, 2, 4];

/** Many dashboards must not come back in the same instant. */
const JITTER = 0.2;

/**
 * How long to wait before the next attempt, in milliseconds.
 *
 * @param {readonly number[]} pausesS
 * @param {number} attempt counts failed attempts from 0
 * @param {() => number} random 0 to 1
 */
export function retryPauseMs(pausesS, attempt, random = Math.random) {
  const pause = pausesS[Math.min(attempt, pausesS.length - 1)] ?? 1;
  return Math.round(pause * 1000 * (1 + JITTER * (2 * random() - 1)));
}
