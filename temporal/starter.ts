import type { Chain } from '../contracts/event-key.ts';
import type { BatchMemo, RecordMark, ScoredReply } from '../contracts/names.ts';
import type { RunWait } from './run-waits.ts';

/** The range a lane wants to start as a batch. */
export interface BatchStart {
  chain: Chain;
  position: number;
  end: number;
  count: number;
  head: boolean;
  /** The records frame. */
  records: Uint8Array;
  /** The first of the records. */
  first: RecordMark;
  /** Record time of the first record, if it has one; shown in the Web UI. */
  firstRecordMs: number | undefined;
}

export type StartAnswer =
  /** The run at this position has its decisions in history; its range is the one to go on from. */
  | ({ kind: 'scored' } & ScoredReply)
  /** Nothing is known: the start may or may not be durable. Ask again with the same ids. */
  | { kind: 'unknown'; reason: string }
  /** The server refused the request for its size: nothing was started, and the same request will never be taken. */
  | { kind: 'too_large'; reason: string }
  /** A run at this position ended without completing: passing it would lose its records. */
  | { kind: 'blocked'; reason: string };

/** The furthest known batch of a chain. */
export type LastStarted = Pick<BatchMemo, 'position' | 'end'> & {
  head: boolean;
  /** Absent where only the ledger knows the batch. */
  first?: RecordMark;
};

/** Starts batches. */
export interface Starter {
  /** Starts the batch at its position, or finds the run that is there already, and waits until it is scored. One try. */
  start(start: BatchStart, deadlineMs: number): Promise<StartAnswer>;
  /** The furthest batch of the chain that the server still knows; undefined when it knows none. Some seconds late. Throws when it does not answer. */
  lastStarted(chain: Chain, deadlineMs: number): Promise<LastStarted | undefined>;
  /** Why the run at a position is not scored yet; undefined when there is none, or nothing is known. Throws when the server does not answer. */
  explain(chain: Chain, position: number, deadlineMs: number): Promise<RunWait | undefined>;
}
