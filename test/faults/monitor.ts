import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultSystem } from './system/fault-system.ts';

const everyMs = 500;
const askTimeoutMs = 4_000;

/** A committed offset, and the first time it was seen. */
export interface SeenCommit {
  partition: number;
  offset: number;
  atMs: number;
}

/** Looks at the group's commits and the ends of the log while faults go on. What it cannot see, because a broker is down, it leaves out. */
export class Monitor {
  readonly seen: SeenCommit[] = [];
  committed = new Map<number, number>();
  ends = new Map<number, number>();
  #isRunning = false;
  #done: Promise<void> = Promise.resolve();

  constructor(private readonly system: FaultSystem) {}

  start(): void {
    this.#isRunning = true;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#done;
  }

  /** Records that are in the log and not committed, as last seen. */
  get lag(): number {
    return [...this.ends].reduce(
      (sum, [partition, end]) => sum + Math.max(0, end - Math.max(0, this.committed.get(partition) ?? 0)),
      0,
    );
  }

  /** Looks once, now. Rejects when Kafka does not answer. */
  async look(): Promise<void> {
    const { admin, topic, groupId } = this.system;
    // Each commit with its own time: where a broker is down, the other answer can take seconds longer.
    const commits = admin.fetchOffsets({ groupId, topics: [topic] }).then((groups) => ({ groups, atMs: Date.now() }));
    const [ends, { groups, atMs }] = await withDeadline(Promise.all([admin.fetchTopicOffsets(topic), commits]));
    this.ends = new Map(ends.map(({ partition, high }) => [partition, Number(high)]));
    const before = this.committed;
    this.committed = new Map((groups[0]?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)]));
    for (const [partition, offset] of this.committed) {
      if (offset >= 0 && before.get(partition) !== offset) this.seen.push({ partition, offset, atMs });
    }
  }

  async #run(): Promise<void> {
    while (this.#isRunning) {
      await this.look().catch(() => undefined);
      await sleep(everyMs);
    }
  }
}

function withDeadline<T>(work: Promise<T>): Promise<T> {
  const late = sleep(askTimeoutMs, undefined, { ref: false }).then(() =>
    Promise.reject(new Error(`no answer within ${askTimeoutMs} ms`)),
  );
  work.catch(() => undefined);
  return Promise.race([work, late]);
}
