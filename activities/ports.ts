import type { FailureCode } from '../contracts/failures.ts';
import type { Rejection } from '../contracts/rejection.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';

/** The model server, as deciding needs it. */
export interface ModelPort {
  /**
   * Predicts `rows` rows at once. Throws a HeadraceError: `MODEL_UNAVAILABLE` (try again), `MODEL_MISSING`, `MODEL_WRONG` (its
   * inputs and outputs do not fit) or `MODEL_REFUSED_ROW` (the content of at least one row is to blame).
   */
  predict(pipeline: AnyPipeline, features: Float32Array, rows: number): Promise<ModelAnswer>;
  /** As many rows `predict` asks for in one piece, at least 1. More are cut in parts, of which another server may answer each. Throws as `predict` does. */
  rowsMax(pipeline: AnyPipeline): Promise<number>;
}

export interface ModelAnswer {
  version: string;
  /** Row-major, the widths of the pipeline's outputs added up, in their order. */
  predictions: Float32Array;
}

/** What a run recorded so far, read from its own history. */
export interface RunHistoryPort {
  read(workflowId: string, runId: string): Promise<RecordedRun>;
}

export interface RecordedRun {
  records: Uint8Array;
  features?: Uint8Array;
  decisions?: Uint8Array;
}

/** Where the records of a partition can be read again. */
export interface RecordsPort {
  /**
   * Records of `[from, to)` in order, in pieces: each says up to which offset it reaches, so that gaps are covered too. Begins at
   * the start of the log where that lies behind `from`. Gives the connection back when the loop over it ends.
   */
  read(topic: string, partition: number, from: number, to: number): AsyncIterable<{ end: number; records: KafkaRecord[] }>;
}

/** Where refused records are published. */
export interface DeadLetterPort {
  /** Resolves once every dead letter is durable. Publishing one twice is harmless: it carries its event key. */
  publish(letters: readonly DeadLetter[]): Promise<void>;
}

export interface DeadLetter {
  batch: BatchRef;
  record: KafkaRecord;
  rejection: Rejection;
  workflowId: string;
}

/** What the activities report; the worker turns it into metrics. */
export interface ActivityReports {
  stage(pipeline: string, stage: string, seconds: number): void;
  decided(pipeline: string, outcomeCounts: Record<string, number>): void;
  /** The declared fallback decided so many events, because of this failure. */
  degraded(pipeline: string, count: number, code: FailureCode, reason: string): void;
  /** Events of a decided batch that came too late for their windows; 0 is told, too. */
  late(pipeline: string, count: number): void;
  rejected(pipeline: string, rejections: readonly Rejection[]): void;
  delivery(pipeline: string, sink: string, result: 'ok' | 'failed'): void;
  /** Record time to the last sink, for each event of a batch. */
  deliveredEverywhere(pipeline: string, recordTimesMs: Float64Array): void;
  breaker(pipeline: string, sink: string, open: boolean): void;
}
