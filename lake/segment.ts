import snappy from 'snappy';
import type { BatchRef } from '../contracts/event-key.ts';
import { decodeFrame, encodeFrame, type Column, type FrameHeader } from '../contracts/frame.ts';
import { readableHeaders, type ReadableHeader } from '../contracts/record-headers.ts';
import { replacerFor } from '../lib/plain-json.ts';
import type { Schema } from '../lib/schema-definition.ts';
import { featureMatrix } from '../contracts/feature-matrix.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import type { EventColumns } from './event-columns.ts';
import { decodeSegmentFile, encodeSegmentFile, readSegmentFile, type SegmentRange } from './segment-file.ts';

/**
 * A segment is the raw file of one batch: a frame under snappy, behind a head that names its ranges. The frame says everything about
 * itself, so that it can become typed columns without the pipeline's code.
 */
export interface SegmentHeader extends FrameHeader {
  kind: 'segment';
  batch: BatchRef;
  workflowId: string;
  events: EventColumns;
  entities: string[];
  features: string[];
  outputs: { name: string; width: number }[];
  /** Indexed by the columns `model`, `outcome` and `why`. */
  models: { name: string; version: string }[];
  outcomes: string[];
  whys: string[];
}

/** The rows of a segment in the order of its ranges and of their offsets, by column. */
export interface Segment {
  header: SegmentHeader;
  partition: Int32Array;
  offset: Float64Array;
  /** NaN for a record without a usable time. */
  recordTimeMs: Float64Array;
  eventTimeMs: Float64Array;
  /** Row-major, `header.features.length` a row. */
  features: Float32Array;
  /** Row-major, the widths of `header.outputs` added up. */
  predictions: Float32Array;
  model: Uint16Array;
  outcome: Uint16Array;
  why: Uint16Array;
  degraded: Uint8Array;
  late: Uint8Array;
  eventIds: string[];
  /** Per entity of the header, the key of each row. */
  entityKeys: string[][];
  /** As JSON gave them back: dates are ISO texts. */
  events: Record<string, unknown>[];
  /** JSON of each record's headers. Undefined when no record has some. */
  headers?: (ReadableHeader[] | null)[];
}

export interface SegmentSource {
  batch: BatchRef;
  /** What of the batch's ranges the segment answers for. */
  ranges: SegmentRange[];
  workflowId: string;
  events: EventColumns;
  /** What made the events; absent = unknown. */
  schema?: Schema;
  rows: readonly DecisionRow[];
}

/** Encodes the rows of a batch. Takes a few milliseconds for 2,048 rows, most of it JSON. */
export function encodeSegment({ batch, ranges, workflowId, events, schema, rows }: SegmentSource): Uint8Array {
  const features = [...(rows[0]?.features.names ?? [])];
  const entities = Object.keys(rows[0]?.entities ?? {});
  const outputs = Object.entries(rows[0]?.prediction ?? {}).map(([name, value]) => ({
    name,
    width: Array.isArray(value) ? value.length : 1,
  }));
  const models = indexed(rows, modelOf, modelKeyOf);
  const outcomes = indexed(rows, outcomeOf, itself);
  const whys = indexed(rows, whyOf, itself);
  const header: SegmentHeader = {
    kind: 'segment',
    batch,
    workflowId,
    events,
    entities,
    features,
    outputs,
    models: models.values,
    outcomes: outcomes.values,
    whys: whys.values,
  };
  const columns: Record<string, Column> = {
    partition: Int32Array.from(rows.map(partitionOf)),
    offset: Float64Array.from(rows.map(offsetOf)),
    recordTimeMs: Float64Array.from(rows.map(recordTimeMsOf)),
    eventTimeMs: Float64Array.from(rows.map(eventTimeMsOf)),
    features: featureMatrix(rows),
    predictions: predictionMatrix(rows, outputs),
    model: models.index,
    outcome: outcomes.index,
    why: whys.index,
    degraded: Uint8Array.from(rows.map(degradedOf)),
    late: Uint8Array.from(rows.map(lateOf)),
    eventIds: json(rows.map(eventIdOf)),
    entityKeys: json(keysOf(rows, entities)),
    events: json(rows.map(eventOf), replacerFor(schema)),
    ...(rows.some(hasHeaders) ? { headers: json(rows.map(headersOf)) } : {}),
  };
  return encodeSegmentFile(
    { ranges },
    snappy.compressSync(Buffer.from(encodeFrame({ header, columns }).buffer)) as Buffer,
  );
}

/** Reads a segment. Throws a BrokenSegmentError when a byte is not as it was written. */
export function decodeSegment(bytes: Buffer): Segment {
  return decodeBody(decodeSegmentFile(bytes).body);
}

/** Reads a segment file. A BrokenSegmentError then says which, and what to do. */
export async function readSegment(path: string): Promise<Segment> {
  return decodeBody((await readSegmentFile(path)).body);
}

function decodeBody(body: Buffer): Segment {
  const { header, columns } = decodeFrame<SegmentHeader>(snappy.uncompressSync(body) as Buffer);
  const { eventIds, entityKeys, events, headers, ...rest } = columns as Record<string, Uint8Array>;
  return {
    header,
    ...(rest as unknown as Omit<Segment, 'header' | 'eventIds' | 'entityKeys' | 'events' | 'headers'>),
    eventIds: parsed(eventIds!),
    entityKeys: parsed(entityKeys!),
    events: parsed(events!),
    ...(headers && { headers: parsed(headers) }),
  };
}

// What is called for each row lives as long as the module: see docs/performance/hot-code.md.
const partitionOf = (row: DecisionRow) => row.partition;
const offsetOf = (row: DecisionRow) => row.offset;
const recordTimeMsOf = (row: DecisionRow) => row.recordTimeMs ?? Number.NaN;
const hasHeaders = (row: DecisionRow) => row.headers !== undefined;
const headersOf = (row: DecisionRow) => row.headers && readableHeaders(row.headers);
const eventTimeMsOf = (row: DecisionRow) => row.eventTimeMs;
const degradedOf = (row: DecisionRow) => Number(row.degraded);
const lateOf = (row: DecisionRow) => Number(row.late);
const eventIdOf = (row: DecisionRow) => row.eventId;
const eventOf = (row: DecisionRow) => row.event;
const modelOf = (row: DecisionRow) => row.model;
const modelKeyOf = ({ name, version }: DecisionRow['model']) => `${name}\n${version}`;
const outcomeOf = (row: DecisionRow) => row.outcome;
const whyOf = (row: DecisionRow) => row.why;
const itself = (text: string) => text;

/** Per entity, the key of each row. */
function keysOf(rows: readonly DecisionRow[], entityNames: readonly string[]): string[][] {
  const keys = entityNames.map((): string[] => []);
  for (const { entities } of rows)
    for (let i = 0; i < entityNames.length; i++) keys[i]!.push(entities[entityNames[i]!]!);
  return keys;
}

function predictionMatrix(rows: readonly DecisionRow[], outputs: SegmentHeader['outputs']): Float32Array {
  const matrix = new Float32Array(rows.length * outputs.reduce((sum, { width }) => sum + width, 0));
  let at = 0;
  for (const { prediction } of rows) {
    for (const { name, width } of outputs) {
      const value = prediction[name]!;
      if (Array.isArray(value)) matrix.set(value, at);
      else matrix[at] = value;
      at += width;
    }
  }
  return matrix;
}

/** The distinct values of a column, and each row's index among them. Neighbours nearly always have the same. */
function indexed<T>(
  rows: readonly DecisionRow[],
  valueOf: (row: DecisionRow) => T,
  keyOf: (value: T) => string,
): { values: T[]; index: Uint16Array } {
  const numbers = new Map<string, number>();
  const values: T[] = [];
  const index = new Uint16Array(rows.length);
  let last: T | undefined;
  let number = -1;
  for (let i = 0; i < rows.length; i++) {
    const value = valueOf(rows[i]!);
    if (number < 0 || value !== last) {
      last = value;
      const key = keyOf(value);
      number = numbers.get(key) ?? values.push(value) - 1;
      numbers.set(key, number);
    }
    index[i] = number;
  }
  return { values, index };
}

function json(value: unknown, replacer?: (this: unknown, key: string, value: unknown) => unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value, replacer));
}

function parsed<T>(bytes: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}
