import type { BatchRef } from './event-key.ts';
import type { FeatureRow } from './features-frame.ts';
import type { AnyPipeline, Prediction } from './pipeline.ts';

/** One decided event, with everything a sink may want of it. */
export interface DecisionRow {
  eventKey: string;
  eventId: string;
  offset: number;
  /** When Kafka had the record. Undefined when it has no time that can be used. */
  recordTimeMs: number | undefined;
  /** The record's own headers; `headersIn` reads them. Undefined = none. */
  headers: Uint8Array | undefined;
  eventTimeMs: number;
  /** By entity name, in the pipeline's order. */
  entities: Record<string, string>;
  event: Record<string, unknown>;
  features: FeatureRow;
  prediction: Prediction;
  model: { name: string; version: string };
  degraded: boolean;
  late: boolean;
  outcome: string;
  why: string;
}

/** What one sink gets of one batch: the rows that its condition selected, in offset order. */
export interface Delivery {
  batch: BatchRef;
  pipeline: AnyPipeline;
  /** Temporal run that decides this batch, for links. */
  workflowId: string;
  rows: readonly DecisionRow[];
  /**
   * Offsets of the batch's records that an earlier batch of the chain has decided, and delivers. They have no rows here, and all lie
   * before those that do. Absent = none.
   */
  duplicates?: readonly number[];
}
