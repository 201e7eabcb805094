/** Ages, countdowns and charts move this often. */
const TICK_MS = 500;

/** One timer for everything on the page that shows passing time; it rests while the page is hidden. */
export class Ticker {
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {ReturnType<typeof setInterval>} */
  #timer;

  constructor() {
    this.#timer = setInterval(() => {
      if (!document.hidden) for (const listener of [...this.#listeners]) listener();
    }, TICK_MS);
  }

  /**
   * @param {() => void} listener
   * @returns {() => void} ends the subscription
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}
