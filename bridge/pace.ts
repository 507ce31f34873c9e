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

  /** @param max starts per second that idle cores do not raise the pace above */
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
  async follow(clock: Clock, signal: AbortSignal, read: () => CoreTimes = coreTimes): Promise<void> {
    let last = read();
    while (!signal.aborted) {
      await clock.sleep(observeMs, signal);
      const now = read();
      const total = now.total - last.total;
      if (total > 0) this.observe(1 - (now.idle - last.idle) / total);
      last = now;
    }
  }
}

/** Of all cores together, since some beginning. */
interface CoreTimes {
  idle: number;
  total: number;
}

function coreTimes(): CoreTimes {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ idle, total: user + nice + sys + irq + idle }));
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), total: times.reduce((sum, { total }) => sum + total, 0) };
}
