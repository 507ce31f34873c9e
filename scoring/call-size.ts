/** Of the deadline, what a call is cut to: a server's speed changes, and a call that is cut too long is lost. */
const share = 0.5;
/** Calls to a model that takes few rows at once, side by side. */
const sideBySideMax = 4;
/** How much longer a call may be than the longest that went well. */
const growth = 2;

/** Learns how many rows of one model fit into one call, so that each is answered within its deadline. */
export class CallSize {
  #rows = Infinity;
  #lastMs = 0;
  readonly #targetMs: number;

  constructor(deadlineMs: number) {
    this.#targetMs = deadlineMs * share;
  }

  /** Rows of the next call. */
  get rows(): number {
    return this.#rows;
  }

  /** How many calls of the size that the model's own limit sets may be under way at once: a server that answers one after another keeps the last one waiting for all. */
  get sideBySide(): number {
    if (this.#lastMs === 0) return sideBySideMax;
    return Math.max(1, Math.min(sideBySideMax, Math.floor(this.#targetMs / this.#lastMs)));
  }

  /** A call went well. */
  took(rows: number, ms: number): void {
    this.#lastMs = ms;
    if (this.#rows === Infinity && ms <= this.#targetMs) return;
    const fitting = Math.max(1, Math.floor((rows * this.#targetMs) / Math.max(ms, 1)));
    if (ms > this.#targetMs) this.#rows = Math.min(this.#rows, fitting);
    else if (rows >= this.#rows) this.#rows = Math.min(fitting, rows * growth);
  }

  /** A call of so many rows was too much: the next one has half of them at the most. */
  tooMuch(rows: number, ms: number): void {
    this.#lastMs = ms;
    this.#rows = Math.max(1, Math.min(this.#rows, Math.floor(rows / 2)));
  }

  /** The smallest call went well after one that was too much, and took so long: what more of them would take. */
  tried(rows: number, ms: number): void {
    this.#lastMs = ms;
    this.#rows = Math.max(1, Math.min(this.#rows, Math.floor((rows * this.#targetMs) / Math.max(ms, 1))));
  }
}
