/**
 * Reads the server's clock from the times in its messages, so that ages are right on a machine whose clock is off.
 *
 * A message arrives at `local - offset + delay`; the smallest difference seen is the one with the least delay.
 */
export class ServerClock {
  /** @type {number | null} */
  #offsetS = null;
  #localMs;

  /** @param {() => number} localMs milliseconds since the epoch */
  constructor(localMs = Date.now) {
    this.#localMs = localMs;
  }

  /**
   * Takes note of a message that was sent at `atS` and arrived just now.
   *
   * @param {number} atS Unix seconds of the server
   */
  observe(atS) {
    const offset = this.#localMs() / 1000 - atS;
    this.#offsetS = this.#offsetS === null ? offset : Math.min(offset, this.#offsetS);
  }

  /** Forgets what it learnt: after a reconnect the server, or this machine's clock, may be another. */
  reset() {
    this.#offsetS = null;
  }

  /** The server's time now, Unix seconds. */
  now() {
    return this.#localMs() / 1000 - (this.#offsetS ?? 0);
  }
}
