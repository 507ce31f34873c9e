import type { Clock } from './clock.ts';

/** With `auto`, no batch waits longer than this. */
export const autoLingerMsMax = 1_000;
/** With `auto`, batches that are not full are being scored a quarter of the time: with what is done around them, that is less than half of the CPU. */
const intervalsPerBatch = 4;
/** How much the last batch counts in the mean of all. */
const lastShare = 0.1;

/**
 * How long a batch that is not full waits with `auto`, and when the next one may start: one after another at intervals of four times what
 * a batch takes. One that comes after a pause does not wait.
 *
 * @param freeMs when the next batch may start, as the start before it said
 * @param scoredMs what a batch takes from its start until it is scored
 * @param atOnce batches that are scored side by side
 */
export function autoLinger(
  nowMs: number,
  freeMs: number,
  scoredMs: number,
  atOnce: number,
): { waitMs: number; freeMs: number } {
  const waitMs = Math.min(autoLingerMsMax, Math.max(0, freeMs - nowMs));
  return { waitMs, freeMs: nowMs + waitMs + (intervalsPerBatch * scoredMs) / atOnce };
}

/** Lets a batch that is not full wait for more records. All lanes of a process share one. */
export class Linger {
  #freeMs = 0;
  #scoredMs = 0;
  readonly #checks = new Set<() => void>();

  /**
   * @param lingerMs how long each batch waits, or `auto`: as long as {@link autoLinger} says
   * @param atOnce batches that are scored side by side on the cores of this machine; Infinity where they take none of them, and `auto` waits for nothing
   */
  constructor(
    private readonly clock: Clock,
    private readonly lingerMs: 'auto' | number,
    private readonly atOnce: number,
  ) {}

  /** Resolves when the batch may start: after its wait, or as soon as `isFull` says so (see `recheck`), or when the signal is aborted. */
  async wait(signal: AbortSignal, isFull: () => boolean): Promise<void> {
    if (signal.aborted || isFull()) return;
    const waitMs = this.#nextWaitMs();
    if (waitMs <= 0) return;
    const over = new AbortController();
    const end = () => over.abort();
    const check = () => {
      if (isFull()) end();
    };
    this.#checks.add(check);
    signal.addEventListener('abort', end);
    await this.clock.sleep(waitMs, over.signal);
    this.#checks.delete(check);
    signal.removeEventListener('abort', end);
  }

  /** To be called when a batch that waits may have become full. */
  recheck(): void {
    for (const check of this.#checks) check();
  }

  /** Notes how long a batch took that was not full. One that takes long is held up, and says little about the next. */
  scored(ms: number): void {
    const last = Math.min(ms, autoLingerMsMax);
    this.#scoredMs = this.#scoredMs === 0 ? last : this.#scoredMs + lastShare * (last - this.#scoredMs);
  }

  #nextWaitMs(): number {
    if (this.lingerMs !== 'auto') return this.lingerMs;
    const { waitMs, freeMs } = autoLinger(this.clock.nowMs(), this.#freeMs, this.#scoredMs, this.atOnce);
    this.#freeMs = freeMs;
    return waitMs;
  }
}
