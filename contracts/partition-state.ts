import { lastTimeMs } from './record-time.ts';

/** What a partition waits for. */
export const waitKinds = [
  /** For records: everything that may be read is in a batch. */
  'records',
  /** A batch of it is being scored. */
  'scoring',
  /** The brokers, or the leader of its log, do not answer. */
  'kafka',
  /** Temporal does not answer, or takes no batch. */
  'temporal',
  /** A step of its batch fails, and is tried again. */
  'failing',
  /** Somebody has paused its batch, or a step of it. */
  'paused',
  /** No worker asks for the tasks of its batch. */
  'no_worker',
  /** So many batches are open that no further one is started. */
  'open_batches',
  /** What is left belongs to a transaction that is not committed yet. */
  'transaction',
  /** An operator has to act. */
  'halted',
  /** No bridge reads it. */
  'no_bridge',
  /** Its bridge could not be asked, and what Kafka and Temporal know does not tell. */
  'unknown',
] as const;

export type WaitKind = (typeof waitKinds)[number];

/** What a partition waits for, why, and for how long. */
export interface Waiting {
  kind: WaitKind;
  /** The reason, in a sentence or less. Nothing personal stands in it. */
  text?: string;
  /** How to let it go on. */
  remedy?: string;
  /** Who paused it, as Temporal knows them. For the eyes of operators: never logged, in no metric, and no bridge tells it. */
  by?: string;
  /** Absent = not known. */
  forSeconds?: number;
  /** The offset that it stands at. */
  offset?: number;
}

/** How one partition stands. What is absent is not known. */
export interface PartitionState {
  pipeline: string;
  topic: string;
  partition: number;
  /** No record below it is left to do. */
  doneBelow?: number;
  /** The next offset that will be written. */
  logEnd?: number;
  /** Behind what may be read; below `logEnd` while a transaction is open. */
  stableEnd?: number;
  /** What the log holds beyond what is done, in offsets. */
  lag?: number;
  /** How long ago the oldest record that waits was written; without a usable record time, for how long it is known to wait. */
  oldestSeconds?: number;
  waiting: Waiting;
  /** Workflow id of the batch that is being scored. */
  run?: string;
}

/** What a bridge tells of its partitions, at `/partitions.json` of its metrics address. */
export interface PartitionStates {
  deployment: string;
  partitions: PartitionState[];
}

/** The sentence about a log that ends in a transaction. */
export function openTransaction(offset: number): Waiting {
  return {
    kind: 'transaction',
    text: `a transaction is open since offset ${offset}, and nobody may read behind it until its producer commits or aborts it`,
    offset,
  };
}

/** The age of a record in seconds, never negative; undefined when its time is none of this era: it comes from somebody else's program. */
export function ageSeconds(recordTimeMs: number | undefined, nowMs: number): number | undefined {
  if (recordTimeMs === undefined || !(recordTimeMs > 0 && recordTimeMs <= lastTimeMs)) return undefined;
  return Math.max(0, nowMs - recordTimeMs) / 1_000;
}

/** One line about what is waited for, for the eyes of an operator. */
export function waitText({ text, by, kind, remedy }: Waiting): string {
  return `${text ?? kind}${by === undefined ? '' : ` by ${by}`}${remedy === undefined ? '' : `; let it go on: ${remedy}`}`;
}
