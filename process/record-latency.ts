import { Counter, Histogram, type Registry } from 'prom-client';

const bucketSeconds = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
/** Clocks of hosts differ by less. */
const aheadMsMax = 60_000;
/** As long as Kafka keeps records by default. What is older is history that somebody writes or reads again, and one such record would weigh more in the sum than a day's others. */
const oldMsMax = 7 * 86_400_000;

/**
 * Time since Kafka had a record. Record times are what producers say: one that lies ahead by more than clocks differ, or more than a week back,
 * tells nothing of ours, and is counted apart.
 */
export class RecordLatency {
  readonly #seconds: Histogram<'pipeline'>;
  readonly #leftOut: Counter<'pipeline'>;

  /** @param name of the histogram, without `_seconds` */
  constructor(name: string, help: string, registry: Registry) {
    const registers = [registry];
    this.#seconds = new Histogram({
      name: `${name}_seconds`,
      help,
      labelNames: ['pipeline'],
      buckets: bucketSeconds,
      registers,
    });
    this.#leftOut = new Counter({
      name: `${name}_left_out_total`,
      help: 'Records whose own time is none, lies ahead, or is more than a week old.',
      labelNames: ['pipeline'],
      registers,
    });
  }

  /** @param recordTimesMs undefined or NaN for a record without a usable time */
  observe(pipeline: string, recordTimesMs: Iterable<number | undefined>, nowMs = Date.now()): void {
    let leftOut = 0;
    for (const timeMs of recordTimesMs) {
      const latencyMs = nowMs - (timeMs ?? Number.NaN);
      if (latencyMs >= -aheadMsMax && latencyMs <= oldMsMax)
        this.#seconds.observe({ pipeline }, Math.max(0, latencyMs) / 1_000);
      else leftOut++;
    }
    if (leftOut > 0) this.#leftOut.inc({ pipeline }, leftOut);
  }
}
