import type { BatchRange, ChainRef, TopicRef } from '../contracts/event-key.ts';
import type { BatchMemo, BehindBatch, RecordMark, ScoredReply } from '../contracts/names.ts';
import type { RunWait } from './run-waits.ts';

/** What of its partitions a chain wants to start as a batch. */
export interface BatchStart extends BehindBatch {
  chain: ChainRef;
  /** In how many chains the topic is. */
  chains: number;
  sequence: number;
  /** See `BatchRef.after`. */
  after?: string | undefined;
  /** Each with its first record. */
  ranges: readonly (BatchRange & { mark: RecordMark })[];
  /** The records frame. */
  records: Uint8Array;
  /** The least record time, if the records have one; shown in the Web UI. */
  firstRecordMs: number | undefined;
}

export type StartAnswer =
  /** The run of this number has its decisions in history; its ranges are those to go on from. */
  | ({ kind: 'scored' } & ScoredReply)
  /** Nothing is known: the start may or may not be durable. Ask again with the same ids. */
  | { kind: 'unknown'; reason: string }
  /** The server refused the request for its size: nothing was started, and the same request will never be taken. */
  | { kind: 'too_large'; reason: string }
  /** A run of this number ended without completing: passing it would lose its records. */
  | { kind: 'blocked'; reason: string };

/** A batch of a chain that the server knows. */
export interface LastRun extends BatchMemo {
  sequence: number;
  /** It is known to have its decisions in history. */
  isScored: boolean;
}

/** Starts batches. */
export interface Starter {
  /**
   * Starts a batch, or finds the run of its number that is there already, and waits until it is scored. One try.
   *
   * @param again a call for this number had no answer before: its run is asked first, and the frame goes only to a server that knows of none
   */
  start(start: BatchStart, deadlineMs: number, again: boolean): Promise<StartAnswer>;
  /**
   * The run of a number that was scored; where that is gone, or no number is known, the one with the highest number that the server lists,
   * some seconds late. Undefined when it knows none. Throws when it does not answer.
   */
  lastRun(chain: ChainRef, scored: number | undefined, deadlineMs: number): Promise<LastRun | undefined>;
  /** The newest layout of a topic's batches that the server lists, and its number of chains; undefined when it lists none. Throws when it does not answer. */
  lastLayout(topic: TopicRef, deadlineMs: number): Promise<{ layout: number; chains: number } | undefined>;
  /** Why the run of a number is not scored yet; undefined when there is none, or nothing is known. Throws when the server does not answer. */
  explain(chain: ChainRef, sequence: number, deadlineMs: number): Promise<RunWait | undefined>;
}
