import type { FailureCode } from '../contracts/failures.ts';
import type { RecordPlace } from '../contracts/delivery.ts';
import type { Rejection } from '../contracts/rejection.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { RecordHeader } from '../contracts/record-headers.ts';
import type { BatchRecord, KafkaRecord } from '../contracts/records-frame.ts';

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

interface ModelAnswer {
  version: string;
  /** Row-major, the widths of the pipeline's outputs added up, in their order. */
  predictions: Float32Array;
}

/** Where the records of a partition can be read again. */
export interface RecordsPort {
  /**
   * Records of `[from, to)` in order, in pieces: each says up to which offset it reaches, so that gaps are covered too. Begins at
   * the start of the log where that lies behind `from`. Gives the connection back when the loop over it ends.
   */
  read(
    topic: string,
    partition: number,
    from: number,
    to: number,
  ): AsyncIterable<{ end: number; records: KafkaRecord[] }>;
  /** What the log of each partition of a topic holds: `[start, end)`. A partition of which that is not known, because its leader is away for instance, has an error of its own. */
  bounds(topic: string): Promise<Map<number, { start: number; end: number } | Error>>;
}

/** Where records are written to a topic again. */
export interface CopyPort {
  /** Resolves once all of them are durable. */
  publish(
    topic: string,
    copies: readonly {
      partition: number;
      key: Uint8Array | null;
      value: Uint8Array | null;
      headers: readonly RecordHeader[];
    }[],
  ): Promise<void>;
}

/** Where refused records are published. */
export interface DeadLetterPort {
  /** Resolves once every dead letter is durable. Publishing one twice is harmless: it carries its event key. */
  publish(letters: readonly DeadLetter[]): Promise<void>;
}

export interface DeadLetter {
  batch: BatchRef;
  record: BatchRecord;
  rejection: Rejection;
  workflowId: string;
}

/** Where a pipeline was halted by what it refuses, and why. */
export interface Halt {
  pipeline: string;
  topic: string;
  partition: number;
  /** Where its batch, which waits, begins. */
  position: number;
  /** An example. */
  offset: number;
  code: string;
  message: string;
}

/** What the activities report; the worker turns it into metrics. */
export interface ActivityReports {
  stage(pipeline: string, stage: string, seconds: number): void;
  decided(pipeline: string, outcomeCounts: Record<string, number>): void;
  /** Events of a decided batch, also where none of them is late; those that came too late for their windows, and those that lie so far ahead that the watermark does not follow. */
  late(pipeline: string, counts: { events: number; late: number; ahead: number }): void;
  rejected(batch: BatchRef, rejections: readonly (Rejection & RecordPlace)[]): void;
  /** A batch waits because its pipeline refuses everything; told at every try. */
  halted(halt: Halt): void;
  /** The declared fallback decided so many events, because of this failure. */
  degraded(pipeline: string, count: number, code: FailureCode, reason: string): void;
  delivery(pipeline: string, sink: string, result: 'ok' | 'failed'): void;
  /** Record time to the last sink, for each record of a batch; NaN stands for a record without a usable time. */
  deliveredEverywhere(pipeline: string, recordTimesMs: Float64Array): void;
  breaker(pipeline: string, sink: string, open: boolean): void;
}
