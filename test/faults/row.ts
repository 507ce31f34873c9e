import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { openBatches } from '../live/collect.ts';
import { until } from '../live/wait.ts';
import type { CheckOptions } from './check.ts';
import type { Load } from './load.ts';
import type { Monitor } from './monitor.ts';
import type { Random } from './random.ts';
import type { FaultSystem, SystemNeeds } from './system/fault-system.ts';

/** One row of the matrix: what is done to a running system, and what makes the run count. */
export interface Row {
  name: string;
  /** One sentence: what is done. */
  about: string;
  needs?: SystemNeeds;
  /** Does the damage while events flow. Everything is healed afterwards. */
  run(context: RowContext): Promise<void>;
  check?: CheckOptions;
  /** Replaces the usual comparison of all sinks, where a row makes other things true. Returns what is wrong. */
  verify?(context: RowContext): Promise<string[]>;
}

/** A condition that a run must have met, or it has proved nothing. */
export interface Sometimes {
  what: string;
  count: number;
  least: number;
}

/** What a row works with. */
export class RowContext {
  faults = 0;
  readonly recoverMs: number[] = [];
  readonly sometimes: Sometimes[] = [];
  readonly problems: string[] = [];
  /** What partitions held before a row deleted it, so that it can be compared all the same. */
  readonly archive = new Map<number, readonly KafkaRecord[]>();
  /** Offsets that were deleted before they could be read, by partition: these have no effects. */
  readonly lost = new Map<number, { from: number; to: number }>();
  /** Event keys whose records were refused, rightly: they are no events. */
  readonly refused = new Set<string>();
  /** Verdicts that must have won, by event key. */
  readonly decided = new Map<string, string>();
  /** How long what deliveries wait for was away, up to the end of the row: they, but not the lag, have twice as long then. */
  outageMs = 0;
  /** Above 0: the archive belongs to the epoch before, and what the topic holds to this one. */
  epoch = 0;

  constructor(
    readonly system: FaultSystem,
    readonly load: Load,
    readonly monitor: Monitor,
    readonly random: Random,
    readonly log: (text: string) => void,
    /** Do less of the same, where a bug was planted that shows soon. */
    readonly brief = false,
  ) {}

  /** How often to do something that a whole run does so often. */
  rounds(count: number): number {
    return this.brief ? Math.ceil(count / 3) : count;
  }

  /** Says that this has to have happened so often; checked when the row is over. */
  mustHappen(what: string, count: number, least = 1): void {
    this.sometimes.push({ what, count, least });
  }

  /** Notes an injected fault. */
  fault(what: string): void {
    this.faults++;
    this.log(`fault ${this.faults}: ${what}`);
  }

  /** A pause of the schedule, between the two lengths. */
  async pause(leastMs: number, mostMs = leastMs): Promise<void> {
    await sleep(this.random.whole(leastMs, mostMs));
  }

  /**
   * Waits until everything that Kafka holds now is committed, which says that the system works again, and notes how long that took.
   * I7: at most a minute, or twice the outage.
   */
  async recovered(outageMs = 0): Promise<number> {
    const fromMs = Date.now();
    const boundMs = Math.max(60_000, 2 * outageMs);
    let last = '';
    // Where a broker has just been killed, it takes a moment until another one leads its partitions.
    await until(
      'Kafka tells what it holds',
      () =>
        this.monitor.look().then(
          () => true,
          (error: unknown) => void (last = String(error)),
        ),
      { timeoutMs: boundMs, detail: () => last },
    );
    const ends = new Map(this.monitor.ends);
    await until(
      'the backlog is committed',
      () => [...ends].every(([partition, end]) => end === 0 || (this.monitor.committed.get(partition) ?? 0) >= end),
      {
        timeoutMs: boundMs - (Date.now() - fromMs),
        detail: () => `(I7; lag ${this.monitor.lag})\n${this.system.logs()}`,
      },
    );
    const tookMs = Date.now() - fromMs;
    this.recoverMs.push(tookMs);
    this.log(`recovered after ${(tookMs / 1_000).toFixed(1)} s`);
    return tookMs;
  }

  /** Waits until nothing is left to do: no lag, and no batch with an open delivery. */
  async drained(): Promise<void> {
    await this.recovered();
    await until('all deliveries', async () => (await openBatches(this.system)) === 0, {
      timeoutMs: Math.max(90_000, 2 * this.outageMs),
      everyMs: 500,
      detail: () => this.system.logs(),
    });
  }
}
