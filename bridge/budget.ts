import type { Clock } from './ports.ts';

/**
 * Batch starts per second that all lanes of a process share. A near-empty batch costs nearly as much as a full one, so what the
 * budget leaves over is the linger that lets batches grow. First come, first served.
 */
export class Budget {
  #nextFreeMs = 0;
  #nextSmallMs = 0;

  /**
   * @param max starts per second at most
   * @param pace starts per second of batches that waiting would let grow: at most `max`
   * @param burst starts that may follow one another at once after a pause
   */
  constructor(
    private readonly clock: Clock,
    private readonly max: number,
    private readonly pace: () => number = () => max,
    private readonly burst = 4,
  ) {}

  /** Resolves when the next start is within the budget, or when the signal is aborted. A full batch waits for no pace: that would not let it grow. */
  async acquire(signal: AbortSignal, isFull: boolean): Promise<void> {
    const nowMs = this.clock.nowMs();
    this.#nextFreeMs = this.#turnAfter(this.#nextFreeMs, nowMs, this.max);
    if (!isFull) this.#nextSmallMs = this.#turnAfter(this.#nextSmallMs, nowMs, this.pace());
    const waitMs = (isFull ? this.#nextFreeMs : Math.max(this.#nextFreeMs, this.#nextSmallMs)) - nowMs;
    if (waitMs > 0) await this.clock.sleep(waitMs, signal);
  }

  #turnAfter(lastMs: number, nowMs: number, perSecond: number): number {
    const stepMs = 1_000 / perSecond;
    return Math.max(lastMs, nowMs - stepMs * this.burst) + stepMs;
  }
}
