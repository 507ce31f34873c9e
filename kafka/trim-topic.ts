import type { Admin } from 'kafkajs';
import { decodeCommitMetadata } from '../contracts/schemas/commit-metadata.ts';
import type { LogReader } from './log-reader.ts';

/** What a look asks: the groups and the log, and a record of the log. */
export interface TrimSources {
  admin: Pick<Admin, 'fetchOffsets' | 'fetchTopicOffsets' | 'deleteTopicRecords'>;
  logs: Pick<LogReader, 'checksumAt'>;
}

/** What one look has found of a partition. */
interface Look {
  atMs: number;
  /** The least that any of the groups has committed; below 0 when one has not. */
  committed: bigint;
  low: bigint;
  high: bigint;
  /** Of the record before `committed`: by it the same log is known again. Undefined when it is not there. */
  checksum: number | undefined;
}

/**
 * Deletes the records of a topic that all its groups had committed so long ago. What no batch has taken is never deleted, however old it
 * is, as retention by time would do: after a night in which nothing ran, or while a model is missing. It goes by when it saw a commit
 * itself, because record times are the producers', and may be anything; and only by commits with our metadata. A log that was recreated has
 * commits of the one before for a while: so nothing goes from a partition whose commit does not move, and only from the log in which the
 * commit was seen.
 */
export class TopicTrimmer {
  readonly #looks = new Map<number, Look[]>();

  constructor(
    private readonly topic: string,
    /** The groups whose commits say what is done: one of each pipeline that reads the topic. */
    private readonly groupIds: readonly string[],
    /** So long records stay after they were committed. */
    private readonly keepMs: number,
  ) {}

  /** Looks at all partitions, and deletes what may go by what earlier looks have found. */
  async look({ admin, logs }: TrimSources, nowMs: number): Promise<void> {
    const { topic } = this;
    const done = await this.#committed(admin);
    const partitions: { partition: number; offset: string }[] = [];
    for (const { partition, ...ends } of await admin.fetchTopicOffsets(topic)) {
      const log = { committed: done.get(partition) ?? -1n, low: BigInt(ends.low), high: BigInt(ends.high) };
      const checksumBefore = async (offset: bigint) =>
        offset > log.low && offset <= log.high ? logs.checksumAt(topic, partition, Number(offset - 1n)) : undefined;
      const seen = this.#noted(partition, { ...log, atMs: nowMs, checksum: await checksumBefore(log.committed) });
      if (!seen || seen.committed <= log.low) continue;
      if (seen.checksum !== undefined && (await checksumBefore(seen.committed)) === seen.checksum)
        partitions.push({ partition, offset: String(seen.committed) });
      else this.#looks.delete(partition);
    }
    if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions });
  }

  /** Of each partition the least offset that any of the groups has committed. */
  async #committed(admin: TrimSources['admin']): Promise<Map<number, bigint>> {
    const least = new Map<number, bigint>();
    for (const groupId of this.groupIds) {
      const [commits] = await admin.fetchOffsets({ groupId, topics: [this.topic] });
      for (const { partition, offset, metadata } of commits?.partitions ?? []) {
        const committed = decodeCommitMetadata(metadata) ? BigInt(offset) : -1n;
        const other = least.get(partition);
        if (other === undefined || committed < other) least.set(partition, committed);
      }
    }
    return least;
  }

  /** Notes a look. Returns the one by which records may go, if the log is still the same. */
  #noted(partition: number, look: Look): Look | undefined {
    const before = this.#looks.get(partition) ?? [];
    const last = before.at(-1);
    const isSame = last && look.low >= last.low && look.high >= last.high && look.committed <= look.high;
    if (!isSame || look.committed < last.committed) {
      this.#looks.set(partition, look.committed <= look.high ? [look] : []);
      return undefined;
    }
    const old = before.findLastIndex(({ atMs }) => look.atMs - atMs >= this.keepMs);
    this.#looks.set(partition, [...before.slice(Math.max(0, old)), look]);
    return look.committed > last.committed ? before[old] : undefined;
  }
}
