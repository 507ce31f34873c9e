import type { BatchRef } from './event-key.ts';
import { decodeFrame, encodeFrame, type FrameHeader } from './frame.ts';
import type { Rejection } from './rejection.ts';

/** What `infer` records: a prediction, a decision and the selected sinks for each row of the features frame. */
export interface DecisionsHeader extends FrameHeader {
  kind: 'decisions';
  /** Tells this answer from any other that was computed for the same run and not recorded. */
  id: string;
  batch: BatchRef;
  model: { name: string; version: string };
  /** Prediction columns in order, with their widths (1 = one number per event). */
  outputs: { name: string; width: number }[];
  /** The pipeline's outcomes; `outcome` indexes them. */
  outcomes: string[];
  /** The distinct reasons of this batch; `why` indexes them. */
  whys: string[];
  /** The pipeline's sinks; bit i of a row's `sinks` selects sink i. */
  sinks: string[];
  outcomeCounts: Record<string, number>;
  /** How many rows each sink was selected for. Sinks that no row selects are left out, but for the lake and the range ledger, which keep every batch. */
  sinkCounts: Record<string, number>;
  degradedCount: number;
  /** Records refused so far, by every step up to this one. */
  rejectedCount: number;
  /** Rows that the model or the policy refused for good: they have a dead letter, and no sink is selected for them. */
  rejections: Rejection[];
  /** Span of event times, milliseconds since 1970; absent when the batch has no event. */
  eventTimeMs?: { min: number; max: number };
}

export interface Decisions {
  header: DecisionsHeader;
  /** Row-major, one row per features row, the widths of `header.outputs` added up. */
  predictions: Float32Array;
  outcome: Uint8Array;
  why: Uint16Array;
  /** Bit mask over `header.sinks`. */
  sinks: Uint32Array;
  /** 1 where the prediction came from the declared fallback instead of the model. */
  degraded: Uint8Array;
}

export function encodeDecisions({ header, predictions, outcome, why, sinks, degraded }: Decisions): Uint8Array {
  return encodeFrame({ header, columns: { predictions, outcome, why, sinks, degraded } });
}

/** Reads a decisions frame; the columns are views on its buffer. */
export function decodeDecisions(bytes: Uint8Array): Decisions {
  const { header, columns } = decodeFrame<DecisionsHeader>(bytes);
  return {
    header,
    predictions: columns['predictions'] as Float32Array,
    outcome: columns['outcome'] as Uint8Array,
    why: columns['why'] as Uint16Array,
    sinks: columns['sinks'] as Uint32Array,
    degraded: columns['degraded'] as Uint8Array,
  };
}
