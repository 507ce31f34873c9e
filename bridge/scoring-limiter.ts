import { availableParallelism } from 'node:os';
import { isLoopback } from '../lib/host-port.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { Clock } from './clock.ts';

/** What takes this long waits for something else than cores, and holds nobody back. */
const turnMsMax = 100;

/**
 * How many small batches are scored side by side where the servers share the cores of this machine, as a Temporal at a loopback address
 * tells: one that is scored keeps about one core busy at a time, and the one before is being delivered by then. Elsewhere any number.
 */
export function scoredAtOnce(temporalAddress: string, cores = availableParallelism()): number {
  return isLoopback(temporalAddress) ? Math.max(1, Math.floor(cores / 2)) : Infinity;
}

/**
 * Lets small batches be scored one after another where bridge, worker and all servers share a few cores. Two that are scored side by side
 * take twice as long each; one after another, the first is done in half of that, and the second one holds all the records that came meanwhile.
 */
export class ScoringLimiter {
  readonly #semaphore: Semaphore;

  constructor(
    private readonly clock: Clock,
    atOnce: number,
  ) {
    this.#semaphore = new Semaphore(atOnce);
  }

  /** Waits for a turn, first come, first served, or until the signal is aborted. The answer ends the turn, which else ends by itself. */
  async take(signal: AbortSignal): Promise<() => void> {
    if (!this.#semaphore.tryAcquire() && !(await this.#hasWaited(signal))) return () => {};
    const ended = new AbortController();
    const end = () => {
      if (ended.signal.aborted) return;
      ended.abort();
      this.#semaphore.release();
    };
    void this.clock.sleep(turnMsMax, ended.signal).then(end);
    return end;
  }

  /** Returns whether there is a place now. Aborting the signal later does not take it away: it has to be given back. */
  #hasWaited(signal: AbortSignal): Promise<boolean> {
    return this.#semaphore.acquire(signal).then(
      () => true,
      () => false,
    );
  }
}
