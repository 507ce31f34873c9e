import type { BatchRef } from './event-key.ts';
import type { FeatureRow } from './features-frame.ts';
import type { AnyPipeline, Prediction } from './pipeline.ts';

/** One decided event, with everything a sink may want of it. */
export interface DecisionRow {
  eventKey: string;
  eventId: string;
  partition: number;
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

/** Where a record is in its topic. */
export interface RecordPlace {
  partition: number;
  offset: number;
}

/** What one sink gets of one batch: the rows that its condition selected, in the order of its ranges and of their offsets. */
export interface Delivery {
  batch: BatchRef;
  pipeline: AnyPipeline;
  /** Temporal run that decides this batch, for links. */
  workflowId: string;
  rows: readonly DecisionRow[];
  /**
   * Records of the batch that an earlier one has decided, and delivers. They have no rows here, and in their partition all lie
   * before those that do. Absent = none.
   */
  duplicates?: readonly RecordPlace[];
}
