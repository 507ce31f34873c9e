import type { Clock } from './ports.ts';

/**
 * Batch starts per second that all lanes of a process share. A near-empty batch costs nearly as much as a full one, so what the
 * budget leaves over is the linger that lets batches grow. First come, first served.
 */
export class Budget {
  #nextFreeMs = 0;

  /** @param burst starts that may follow one another at once after a pause */
  constructor(
    private readonly clock: Clock,
    private readonly perSecond: number,
    private readonly burst = 4,
  ) {}

  /** Resolves when the next start is within the budget, or when the signal is aborted. */
  async acquire(signal: AbortSignal): Promise<void> {
    const stepMs = 1_000 / this.perSecond;
    const nowMs = this.clock.nowMs();
    this.#nextFreeMs = Math.max(this.#nextFreeMs, nowMs - stepMs * this.burst) + stepMs;
    const waitMs = this.#nextFreeMs - nowMs;
    if (waitMs > 0) await this.clock.sleep(waitMs, signal);
  }
}
