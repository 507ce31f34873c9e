/**
 * How far a partition's event time has come. The rule: the watermark follows each event at once, but never beyond the clock, and one that lies
 * more than the allowed lateness (an hour at least) ahead of it only as the last of 32 such events in a row. So one event from the far future
 * makes no other late; and a watermark that lags behind is harmless, because windows are read by the event's own time.
 */
export interface Watermark {
  /** Greatest event time that counts; null before the first event. */
  watermarkMs: number | null;
  /** Absent before the first event. */
  trend?: Trend;
}

/** What decides whether the watermark follows the next event. */
interface Trend {
  /** Events so far; counted up to `inARow`. */
  seen: number;
  /** The events in a row, up to the last one, that lie too far ahead: how many, and the least of their times. */
  ahead?: { count: number; leastMs: number };
}

/** So many events in a row are believed, and a watermark that rests on as many. */
export const inARow = 32;
const leapMsMin = 3_600_000;
/** An event that lies this far behind, beyond the allowed lateness, and comes before the watermark is believed, shows that the first one was wrong. */
const farBehindMs = 7 * 24 * 3_600_000;

/** Follows the events of a batch one after another. */
export class WatermarkFold {
  readonly #leapMs: number;
  #ms: number | null;
  #seen: number;
  #aheadCount: number;
  #aheadLeastMs: number;

  constructor(
    { watermarkMs, trend }: Watermark,
    private readonly allowedLatenessMs: number,
  ) {
    this.#leapMs = Math.max(allowedLatenessMs, leapMsMin);
    this.#ms = watermarkMs;
    this.#seen = trend?.seen ?? 0;
    this.#aheadCount = trend?.ahead?.count ?? 0;
    this.#aheadLeastMs = trend?.ahead?.leastMs ?? Infinity;
  }

  /** The watermark after the events so far. */
  get ms(): number | null {
    return this.#ms;
  }

  /** What may be forgotten goes by it. Null while the watermark rests on few events: they may all be wrong. */
  get believedMs(): number | null {
    return this.#seen >= inARow ? this.#ms : null;
  }

  /**
   * Takes the next event. Returns whether it is late: older than the watermark before it by more than is allowed; or `ahead`, when it lies so far
   * ahead that the watermark does not follow it.
   *
   * @param clockMs what the time was at most when the event came
   */
  next(eventTimeMs: number, clockMs: number): 'late' | 'ahead' | undefined {
    const isYoung = this.#seen < inARow;
    if (isYoung) this.#seen++;
    const timeMs = Math.min(eventTimeMs, clockMs);
    if (this.#ms === null || (isYoung && timeMs < this.#ms - this.allowedLatenessMs - farBehindMs)) {
      this.#follow(timeMs);
      return undefined;
    }
    if (timeMs > this.#ms + this.#leapMs) {
      this.#aheadLeastMs = Math.min(this.#aheadLeastMs, timeMs);
      if (++this.#aheadCount < inARow) return 'ahead';
      this.#follow(this.#aheadLeastMs);
      return undefined;
    }
    const isLate = eventTimeMs < this.#ms - this.allowedLatenessMs;
    this.#follow(Math.max(this.#ms, timeMs));
    return isLate ? 'late' : undefined;
  }

  #follow(ms: number): void {
    this.#ms = ms;
    this.#aheadCount = 0;
    this.#aheadLeastMs = Infinity;
  }

  /** As it is stored. */
  get state(): Watermark {
    if (this.#seen === 0) return { watermarkMs: this.#ms };
    const ahead = this.#aheadCount === 0 ? {} : { ahead: { count: this.#aheadCount, leastMs: this.#aheadLeastMs } };
    return { watermarkMs: this.#ms, trend: { seen: this.#seen, ...ahead } };
  }
}
