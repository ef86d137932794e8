// Waiting, in ways that an AbortSignal ends.

// Resolves after `ms`, or at once when `signal` aborts.
export function pause(ms, signal) {
  return new Promise((wake) => {
    if (signal.aborted) return wake();
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), wake()), { once: true });
  });
}

// Pauses before trying again: each twice as long, with jitter, so that a crowd does not come back as one.
export class Backoff {
  #next;
  #wake = null;

  constructor(first, most) {
    this.first = this.#next = first;
    this.most = most;
  }

  reset() {
    this.#next = this.first;
  }

  // Resolves after the pause that is due, `least` ms or more, or earlier by `hurry` or `signal`.
  async wait(signal, least = 0) {
    this.#wake = new AbortController();
    const ms = this.#next * (0.8 + 0.4 * Math.random());
    this.#next = Math.min(this.#next * 2, this.most);
    await pause(Math.max(ms, least), AbortSignal.any([signal, this.#wake.signal]));
  }

  // End the pause of this moment.
  hurry() {
    this.#wake?.abort();
  }
}
