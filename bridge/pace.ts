import { availableParallelism, cpus } from 'node:os';
import type { Clock } from './ports.ts';

const observeMs = 1_000;
/** Share of the cores. Below the first there is room for more batches; above the second they wait for each other. */
const busyEnough = 0.8;
const tooBusy = 0.88;
const perCoreAtFirst = 8;
const perCoreMin = 4;

/**
 * Starts of small batches per second, for a bridge that shares its machine with all servers. A batch costs them 55 to 100 ms of CPU together,
 * whatever else the machine does: with more of them events wait less for their batch, until the batches wait for cores.
 */
export class Pace {
  #perSecond: number;
  readonly #min: number;

  /** @param max most starts per second */
  constructor(
    private readonly max: number,
    cores = availableParallelism(),
  ) {
    this.#perSecond = Math.min(max, perCoreAtFirst * cores);
    this.#min = Math.min(max, perCoreMin * cores);
  }

  get perSecond(): number {
    return this.#perSecond;
  }

  /** Takes how busy the cores were for a while: 0 is idle, 1 is all of them. */
  observe(busy: number): void {
    if (busy > tooBusy) this.#perSecond = Math.max(this.#min, this.#perSecond * 0.9);
    else if (busy < busyEnough) this.#perSecond = Math.min(this.max, this.#perSecond * 1.1);
  }

  /** Observes the cores of this machine until the signal is aborted. */
  async follow(clock: Clock, signal: AbortSignal, read: () => number = busyMs, cores = cpus().length): Promise<void> {
    let last = { busyMs: read(), atMs: clock.nowMs() };
    while (!signal.aborted) {
      await clock.sleep(observeMs, signal);
      const now = { busyMs: read(), atMs: clock.nowMs() };
      const passedMs = (now.atMs - last.atMs) * cores;
      if (passedMs > 0) this.observe((now.busyMs - last.busyMs) / passedMs);
      last = now;
    }
  }
}

/** How long the cores of this machine were busy since some beginning, all together. A core that waits for a disk is not busy. */
export function busyMs(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
}
