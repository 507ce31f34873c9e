import type { BatchRange, BatchRef } from './event-key.ts';

/** Names that several processes must agree on. */

export const workflowNames = {
  processBatch: 'processBatch',
  review: 'review',
  rollUpLake: 'rollUpLake',
  sweep: 'sweep',
  resume: 'resume',
} as const;

/** Update of a batch run: answers with its range as soon as its decisions are in history. */
export const scoredUpdateName = 'scored';

/** What `scored` answers: of the run that exists, which is the one that its chain must go on from. */
export interface ScoredReply extends BehindBatch {
  ranges: readonly BatchRange[];
  startId: string;
}

/** Of every partition of a chain, the next offset that no batch has claimed. */
export type Positions = Readonly<Record<number, number>>;

/** How far a chain is behind one of its batches. */
export interface BehindBatch {
  positions: Positions;
  /** Those of these partitions of which nothing was in a batch yet. Absent = none. */
  untouched?: readonly number[];
}

/** A range, and what tells its topic from one that was recreated. */
export interface MarkedRange extends BatchRange {
  /** The first record: when another one stands at its offset, the topic is not the one that was read. */
  mark: RecordMark;
}

/** The ranges as a batch's input has them. */
export function withoutMarks(ranges: readonly MarkedRange[]): BatchRange[] {
  return ranges.map(({ mark: _, ...range }) => range);
}

/** Memo of a batch run; lets anybody read what it holds without its input. */
export type BatchMemo = {
  ranges: readonly MarkedRange[];
  startId: string;
  /** In how many chains the topic is. */
  chains: number;
} & BehindBatch;

/** Input of a batch run, beside its records frame. */
export interface BatchInput {
  batch: BatchRef;
  behind: BehindBatch;
}

/** Tells one record from another at the same offset: its hash covers offset, time, key and value. */
export type RecordMark = { offset: number; hash: string };

/** Signal and update of a review run; both carry a verdict. */
export const verdictName = 'verdict';

/** Query of a review run: its present state. */
export const reviewStateQueryName = 'state';

/** Search attributes, registered at start. Stored in clear by Temporal: nothing personal may stand in them. */
export const searchAttributes = {
  pipeline: { name: 'HeadracePipeline', type: 'KEYWORD' },
  modelVersion: { name: 'HeadraceModelVersion', type: 'KEYWORD' },
  outcomes: { name: 'HeadraceOutcomes', type: 'KEYWORD_LIST' },
  eventCount: { name: 'HeadraceEventCount', type: 'INT' },
  rejectedCount: { name: 'HeadraceRejectedCount', type: 'INT' },
  eventTimeMin: { name: 'HeadraceEventTimeMin', type: 'DATETIME' },
  eventTimeMax: { name: 'HeadraceEventTimeMax', type: 'DATETIME' },
  reviewStatus: { name: 'HeadraceReviewStatus', type: 'KEYWORD' },
} as const;

/** The delivery that every batch makes beside those to its pipeline's sinks: its range goes into the range ledger. */
export const ledgerTarget = 'ledger';

/** The delivery of a batch's dead letters, beside those to its sinks. */
export const deadLettersTarget = 'dead letters';

/** Kafka header that carries the event key on everything we publish. */
export const eventKeyHeader = 'headrace-event-key';

/** Where a pipeline's decisions are published for other consumer groups. */
export function decisionsTopic(pipeline: string): string {
  return `${pipeline}.decisions`;
}

/** Where a pipeline's refused records are kept. */
export function deadLettersTopic(pipeline: string): string {
  return `${pipeline}.dead-letters`;
}

/** Where a pipeline's verdicts are published as labels. */
export function labelsTopic(pipeline: string): string {
  return `${pipeline}.labels`;
}
