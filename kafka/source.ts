import type { KafkaRecord } from '../contracts/records-frame.ts';

/** What one Kafka poll returned for one partition. */
export interface Fetch {
  partition: number;
  /** The offset that was asked for. */
  fetchedOffset: number;
  /** The offset that the next poll asks for: behind the last record, and behind control records after it. */
  endOffset: number;
  /** The end of the log when the poll was answered. */
  logEnd: number;
  records: KafkaRecord[];
  /** What lies behind `endOffset` cannot be read, from an offset on that the broker names. */
  unreadable?: { from: number; reason: string };
}

/** What a group holds for a partition. `offset` is null when nothing was ever committed. */
export interface Commit {
  offset: number | null;
  metadata: string | null;
}

/** What a group is to hold for a partition. */
export interface PartitionCommit {
  partition: number;
  offset: number;
  metadata: string;
}

/** A consumer of one topic, as the bridge needs it. Methods that ask brokers have a deadline of their own. */
export interface Source {
  /** Joins the group and calls the handlers until `stop`. */
  start(handlers: SourceHandlers): Promise<void>;
  /** Leaves the group. */
  stop(): Promise<void>;
  pause(partition: number): void;
  resume(partition: number): void;
  /** The next poll of the partition asks for this offset. */
  seek(partition: number, offset: number): void;
  /** Polls at once where the consumer rests, and resolves when a poll was answered and what came was handed on, or after some milliseconds. Never rejects. */
  poll(): Promise<void>;
  /**
   * Commits of partitions of one chain, in one request. One that fails may have its effect even so, though not after a later one that this
   * consumer made for the same partition. It can come after one of another consumer: a rebalance in between does not stop what is under way.
   */
  commit(commits: readonly PartitionCommit[]): Promise<void>;
  /** The same for any partitions of the topic, whoever has them assigned. */
  commitAll(commits: readonly PartitionCommit[]): Promise<void>;
  committed(): Promise<Map<number, Commit>>;
  /** First and next offset of each partition's log. A partition of which they are not known, because its leader is away for instance, has an error of its own. */
  bounds(): Promise<Map<number, LogBounds | Error>>;
  /** The first offset whose record time is not before `timeMs`; the log's end when there is none. */
  offsetAt(partition: number, timeMs: number): Promise<number>;
  /** Where the first record at this offset or behind it is that may be read, or the offset up to which there is none. */
  firstRecord(partition: number, offset: number): Promise<{ offset: number } | { noneBelow: number }>;
  /** The time of the record at this offset, whether it may be read or not; undefined when there is none. */
  timeAt(partition: number, offset: number): Promise<number | undefined>;
}

/** A partition's log. `end` lies behind what may be read, and below `highWatermark` while a transaction is open. */
export interface LogBounds {
  start: number;
  end: number;
  /** The next offset that will be written; absent = `end`. */
  highWatermark?: number;
}

export interface SourceHandlers {
  /** The group gave us these partitions, and no others. Called before any of their fetches. Must not wait. */
  assigned(partitions: readonly number[]): void;
  /** Must not wait: a slow handler would hold back all other partitions of the same broker. Returns whether the poll may go on behind it. */
  fetched(fetch: Fetch): boolean;
  /** Must not wait. Whether a partition could use records at once. While none could, the consumer rests between its polls, for a moment or until `Source.poll`. */
  wantsMore(): boolean;
  /** The consumer ended for good, or is of no use any more, and must be rebuilt. */
  crashed(error: Error): void;
}
