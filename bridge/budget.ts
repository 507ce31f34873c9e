import type { Clock } from './clock.ts';
import { Linger } from './linger.ts';
import type { ScoringLimiter } from './scoring-limiter.ts';

export interface BudgetOptions {
  /** What batches wait that are not full. @default none waits */
  linger?: Linger;
  /** Turns of batches that waiting would let grow; absent = they are scored side by side. */
  turns?: ScoringLimiter;
  /** Starts that may follow one another at once after a pause. @default 4 */
  burst?: number;
}

/** When batches may start, decided for all lanes of a process together. First come, first served. */
export class Budget {
  #nextFreeMs = 0;
  readonly #linger: Linger;

  /** @param max starts per second at most, of batches of any size */
  constructor(
    private readonly clock: Clock,
    private readonly max: number,
    private readonly options: BudgetOptions = {},
  ) {
    this.#linger = options.linger ?? new Linger(clock, 0, Infinity);
  }

  /**
   * Resolves when the next start has lingered, is within the budget and has its turn, or when the signal is aborted. A full batch waits
   * for the budget only: the rest would not let it grow. The returned function ends the turn, and has to be called when the batch is scored.
   */
  async acquire(signal: AbortSignal, isFull: () => boolean): Promise<() => void> {
    await this.#linger.wait(signal, isFull);
    const nowMs = this.clock.nowMs();
    const stepMs = 1_000 / this.max;
    this.#nextFreeMs = Math.max(this.#nextFreeMs, nowMs - stepMs * (this.options.burst ?? 4)) + stepMs;
    if (this.#nextFreeMs > nowMs) await this.clock.sleep(this.#nextFreeMs - nowMs, signal);
    if (isFull()) return () => {};
    // Last, because a turn that is waited with would be over before it begins.
    const endTurn = await this.options.turns?.take(signal);
    const beganMs = this.clock.nowMs();
    return () => {
      if (!signal.aborted) this.#linger.scored(this.clock.nowMs() - beganMs);
      endTurn?.();
    };
  }

  /** To be called when a batch that waits may have become full. */
  recheck(): void {
    this.#linger.recheck();
  }
}
