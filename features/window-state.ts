/**
 * What is remembered of one entity: its events of the recent past, added up in panes. A pane holds everything that happened
 * within one step of the resolution; time is rounded down to it, for folding and for reading alike.
 *
 * All of it is one array of numbers: `[stride, pane, pane, ...]`, the panes sorted by time, each of `stride` numbers:
 * `[time, count, sum of field 0, sum of field 1, ...]`.
 */

export interface WindowLayout {
  /** How many fields are added up beside the count. */
  fieldCount: number;
  /** Width of a pane. */
  resolutionMs: number;
  /** How far behind the watermark a pane can still matter. */
  retentionMs: number;
  /** Cap on panes. Beyond it neighbours are merged where it blurs least: see `mergeOne`. */
  panesMax: number;
}

const panesSpare = 4;

/** The panes of one entity while a batch is folded. Works in place: the array it was made from is its own from then on. */
export class WindowState {
  readonly #layout: WindowLayout;
  readonly #stride: number;
  #panes: Float64Array;
  #count: number;

  /** @param stored what `toArray` gave earlier; absent = an entity without events. */
  constructor(layout: WindowLayout, stored?: Float64Array) {
    this.#layout = layout;
    this.#stride = 2 + layout.fieldCount;
    this.#count = stored ? (stored.length - 1) / this.#stride : 0;
    // What `toArray` gave is a view at the start of a buffer that may have room for more.
    this.#panes = stored ? new Float64Array(stored.buffer) : new Float64Array(this.#indexOf(panesSpare));
    this.#panes[0] = this.#stride;
  }

  /**
   * Adds one event: `fields[from]` and the following numbers are what its fields add. Events may come in any order.
   *
   * @param nowMs the watermark: a pane that lies ahead of it says nothing of how old the others are
   */
  fold(eventTimeMs: number, fields: Float64Array, from: number, nowMs = Infinity): void {
    const time = roundDown(eventTimeMs, this.#layout.resolutionMs);
    const pane = this.#paneAtOrBefore(time);
    const at = pane >= 0 && this.#timeOf(pane) === time ? this.#indexOf(pane) : this.#insert(pane + 1, time);
    this.#panes[at + 1]! += 1;
    for (let field = 0; field < this.#layout.fieldCount; field++) this.#panes[at + 2 + field]! += fields[from + field]!;
    if (this.#count > this.#layout.panesMax) this.#mergeOne(nowMs);
  }

  /**
   * Adds up the panes in `(at - delayMs - lengthMs, at - delayMs]`, oldest first: `into[0]` becomes the count and the following
   * numbers the sums.
   */
  read(atMs: number, delayMs: number, lengthMs: number, into: Float64Array): void {
    const panes = this.#panes;
    const stride = this.#stride;
    const end = roundDown(atMs, this.#layout.resolutionMs) - delayMs;
    let to = this.#indexOf(this.#count);
    while (to > 1 && panes[to - stride]! > end) to -= stride;
    let from = to;
    while (from > 1 && panes[from - stride]! > end - lengthMs) from -= stride;
    // One number after the other, each in a variable of its own.
    for (let i = 1; i < stride; i++) {
      let sum = 0;
      for (let at = from; at < to; at += stride) sum += panes[at + i]!;
      into[i - 1] = sum;
    }
  }

  /**
   * Drops what lies further behind the watermark than the retention. To be called before each fold and read, so that what is seen
   * never depends on when the store itself forgot a state. Returns whether anything was dropped.
   */
  forget(watermarkMs: number): boolean {
    const limit = roundDown(watermarkMs, this.#layout.resolutionMs) - this.#layout.retentionMs;
    let dropped = 0;
    while (dropped < this.#count && this.#timeOf(dropped) <= limit) dropped++;
    if (dropped === 0) return false;
    this.#panes.copyWithin(this.#indexOf(0), this.#indexOf(dropped), this.#indexOf(this.#count));
    this.#count -= dropped;
    return true;
  }

  /** The state as it is stored. A view: valid until the next fold or forgetting. */
  toArray(): Float64Array {
    return this.#panes.subarray(0, this.#indexOf(this.#count));
  }

  /** Where the numbers of a pane begin. */
  #indexOf(pane: number): number {
    return 1 + pane * this.#stride;
  }

  #timeOf(pane: number): number {
    return this.#panes[this.#indexOf(pane)]!;
  }

  /** Searches from the newest end, because nearly every event is among the newest. */
  #paneAtOrBefore(time: number): number {
    let pane = this.#count - 1;
    while (pane >= 0 && this.#timeOf(pane) > time) pane--;
    return pane;
  }

  /** Makes room for a pane and returns where its numbers begin. */
  #insert(pane: number, time: number): number {
    const at = this.#indexOf(pane);
    const used = this.#indexOf(this.#count);
    if (used + this.#stride > this.#panes.length) {
      const grown = new Float64Array(this.#indexOf(this.#count + (this.#count >> 2) + panesSpare));
      grown.set(this.#panes);
      this.#panes = grown;
    }
    this.#panes.copyWithin(at + this.#stride, at, used);
    this.#panes.fill(0, at, at + this.#stride);
    this.#panes[at] = time;
    this.#count++;
    return at;
  }

  /**
   * Merges two neighbouring panes into the newer one's time. Chosen are the two that together reach back least compared with
   * their age, so that old events lose sharpness and new ones keep it. The oldest pane is never merged: it would take in one
   * neighbour after the other, grow younger with each, and never be dropped.
   */
  #mergeOne(nowMs: number): void {
    const newest = Math.min(this.#timeOf(this.#count - 1), nowMs);
    let best = 1;
    let least = Infinity;
    for (let pane = 1; pane < this.#count - 1; pane++) {
      const reach = this.#timeOf(pane + 1) - this.#timeOf(pane - 1);
      const blur = reach / (Math.max(0, newest - this.#timeOf(pane + 1)) + this.#layout.resolutionMs);
      if (blur >= least) continue;
      least = blur;
      best = pane;
    }
    const older = this.#indexOf(best);
    const newer = older + this.#stride;
    for (let i = 1; i < this.#stride; i++) this.#panes[newer + i]! += this.#panes[older + i]!;
    this.#panes.copyWithin(older, newer, this.#indexOf(this.#count));
    this.#count--;
  }
}

function roundDown(timeMs: number, resolutionMs: number): number {
  return Math.floor(timeMs / resolutionMs) * resolutionMs;
}
