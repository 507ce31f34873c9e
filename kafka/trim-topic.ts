import type { Admin } from 'kafkajs';

type TrimAdmin = Pick<Admin, 'fetchOffsets' | 'fetchTopicOffsets' | 'deleteTopicRecords'>;

/** What one look has found of a partition. */
interface Look {
  atMs: number;
  committed: bigint;
  low: bigint;
  high: bigint;
}

/**
 * Deletes the records of a topic that its group had committed so long ago. What no batch has taken is never deleted, however old it is, as
 * retention by time would do: after a night in which nothing ran, or while a model is missing. It goes by when it saw a commit itself, because
 * record times are the producers', and may be anything. A log that was recreated has commits of the one before for a while: so nothing goes
 * from a partition whose commit does not move, and a log that goes back is another one, of which nothing is known yet.
 */
export class TopicTrimmer {
  readonly #looks = new Map<number, Look[]>();

  constructor(
    private readonly topic: string,
    /** The group whose commits say what is done. */
    private readonly groupId: string,
    /** So long records stay after they were committed. */
    private readonly keepMs: number,
  ) {}

  /** Looks at all partitions, and deletes what may go by what earlier looks have found. */
  async look(admin: TrimAdmin, nowMs: number): Promise<void> {
    const { topic, groupId } = this;
    const [commits] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const committed = new Map(commits?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]));
    const logs = await admin.fetchTopicOffsets(topic);
    const partitions = logs.flatMap(({ partition, low, high }) => {
      const done = committed.get(partition) ?? -1n;
      const to = this.#noted(partition, { atMs: nowMs, committed: done, low: BigInt(low), high: BigInt(high) });
      return to !== undefined && to > BigInt(low) ? [{ partition, offset: String(to) }] : [];
    });
    if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions });
  }

  /** Notes a look. Returns up to where records may go. */
  #noted(partition: number, look: Look): bigint | undefined {
    const before = this.#looks.get(partition) ?? [];
    const last = before.at(-1);
    const isSame = last && look.low >= last.low && look.high >= last.high && look.committed <= look.high;
    if (!isSame || look.committed < last.committed) {
      this.#looks.set(partition, look.committed <= look.high ? [look] : []);
      return undefined;
    }
    const old = before.findLastIndex(({ atMs }) => look.atMs - atMs >= this.keepMs);
    this.#looks.set(partition, [...before.slice(Math.max(0, old)), look]);
    return look.committed > last.committed ? before[old]?.committed : undefined;
  }
}
