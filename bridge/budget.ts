import type { Clock } from './clock.ts';
import type { ScoringLimiter } from './scoring-limiter.ts';

/**
 * Batch starts per second that all lanes of a process share. A near-empty batch costs nearly as much as a full one, so what the
 * budget leaves over is the linger that lets batches grow. First come, first served.
 */
export class Budget {
  #nextFreeMs = 0;

  /**
   * @param max starts per second at most
   * @param turns of batches that waiting would let grow; absent = they are scored side by side
   * @param burst starts that may follow one another at once after a pause
   */
  constructor(
    private readonly clock: Clock,
    private readonly max: number,
    private readonly turns?: ScoringLimiter,
    private readonly burst = 4,
  ) {}

  /**
   * Resolves when the next start is within the budget and has its turn, or when the signal is aborted. A full batch waits for no turn:
   * that would not let it grow. The answer ends the turn, and has to be called when the batch is scored.
   */
  async acquire(signal: AbortSignal, isFull: boolean): Promise<() => void> {
    const nowMs = this.clock.nowMs();
    const stepMs = 1_000 / this.max;
    this.#nextFreeMs = Math.max(this.#nextFreeMs, nowMs - stepMs * this.burst) + stepMs;
    if (this.#nextFreeMs > nowMs) await this.clock.sleep(this.#nextFreeMs - nowMs, signal);
    // Last, because a turn that is waited with would be over before it begins.
    return (isFull ? undefined : await this.turns?.take(signal)) ?? (() => {});
  }
}
