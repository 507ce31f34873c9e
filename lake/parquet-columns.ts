import { schemaFromColumnData, type ColumnSource, type SchemaElement } from 'hyparquet-writer';
import { eventKey, partitionOf as partitionRef } from '../contracts/event-key.ts';
import type { ColumnKind } from './event-columns.ts';
import { identities, repeated, required, text, type ColumnType } from './parquet-encodings.ts';
import type { Segment, SegmentHeader } from './segment.ts';

/** A row of a segment that goes into a file. */
export interface RowPlace {
  segment: Segment;
  row: number;
}

export interface ParquetColumns {
  columns: ColumnSource[];
  schema: SchemaElement[];
}

/** Columns of times and offsets, by whose bounds a reader skips what it does not look for. Finding the bounds of the others costs more than writing them. */
const bounded = new Set<ColumnType>(['TIMESTAMP', 'INT64']);

const kindTypes: Record<ColumnKind, ColumnType> = {
  string: 'STRING',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
  json: 'STRING',
};

/**
 * The columns of one file: where a decision comes from, the decision, and then, each with a prefix that keeps them apart, entities,
 * features, predictions and the event's own fields. All rows must come from segments of one shape. docs/lake.md lists them.
 */
export function parquetColumns(shape: SegmentHeader, rows: readonly RowPlace[]): ParquetColumns {
  const columns = [...provenance(rows), ...decision(rows)];
  shape.entities.forEach((name, i) => columns.push(text(required(`entity_${name}`, 'STRING', entityKeys(rows, i)))));
  shape.features.forEach((name, i) => columns.push(required(`feature_${name}`, 'FLOAT', features(rows, i))));
  let at = 0;
  const lists: ColumnSource[] = [];
  for (const { name, width } of shape.outputs) {
    if (width === 1) columns.push(required(`prediction_${name}`, 'FLOAT', predictions(rows, shape, at)));
    else lists.push({ name: `prediction_${name}`, data: predictionLists(rows, shape, at, width), encoding: 'PLAIN' });
    at += width;
  }
  columns.push(...fields(shape, rows));
  return {
    columns: [...columns, ...lists].map(({ name, type, data, encoding }) => ({
      name,
      data,
      encoding,
      statistics: type !== undefined && bounded.has(type),
    })),
    schema: schemaOf(columns, lists),
  };
}

// What is called for each row lives as long as the module: see docs/performance/hot-code.md.
type Read<T> = (place: RowPlace) => T;

function read<T>(rows: readonly RowPlace[], of: Read<T>): T[] {
  const data: T[] = [];
  for (const place of rows) data.push(of(place));
  return data;
}

const keyOf: Read<Buffer> = ({ segment, row }) =>
  Buffer.from(eventKey(partitionRef(segment.header.batch, segment.partition[row]!), segment.offset[row]!));
const idOf: Read<Buffer> = ({ segment, row }) => Buffer.from(segment.eventIds[row]!);
const eventTimeOf: Read<bigint> = ({ segment, row }) => wholeMs(segment.eventTimeMs[row]!);
const recordTimeOf: Read<bigint | null> = ({ segment, row }) => {
  const timeMs = segment.recordTimeMs[row]!;
  return Number.isNaN(timeMs) ? null : wholeMs(timeMs);
};
const headersOf: Read<string | null> = ({ segment, row }) => {
  const headers = segment.headers?.[row];
  return headers ? JSON.stringify(headers) : null;
};
const deploymentOf: Read<string> = ({ segment }) => segment.header.batch.deployment;
const epochOf: Read<number> = ({ segment }) => segment.header.batch.epoch;
const topicOf: Read<string> = ({ segment }) => segment.header.batch.topic;
const partitionOf: Read<number> = ({ segment, row }) => segment.partition[row]!;
const offsetOf: Read<bigint> = ({ segment, row }) => BigInt(segment.offset[row]!);
const workflowIdOf: Read<string> = ({ segment }) => segment.header.workflowId;
const outcomeOf: Read<string> = ({ segment, row }) => segment.header.outcomes[segment.outcome[row]!]!;
const whyOf: Read<string> = ({ segment, row }) => segment.header.whys[segment.why[row]!]!;
const modelNameOf: Read<string> = ({ segment, row }) => segment.header.models[segment.model[row]!]!.name;
const modelVersionOf: Read<string> = ({ segment, row }) => segment.header.models[segment.model[row]!]!.version;
const degradedOf: Read<boolean> = ({ segment, row }) => segment.degraded[row] === 1;
const lateOf: Read<boolean> = ({ segment, row }) => segment.late[row] === 1;

function wholeMs(timeMs: number): bigint {
  return BigInt(Math.trunc(timeMs));
}

function provenance(rows: readonly RowPlace[]): ColumnSource[] {
  return [
    identities('event_key', read(rows, keyOf)),
    identities('event_id', read(rows, idOf)),
    required('event_time', 'TIMESTAMP', BigInt64Array.from(read(rows, eventTimeOf))),
    { name: 'record_time', type: 'TIMESTAMP', data: read(rows, recordTimeOf) },
    repeated('deployment', read(rows, deploymentOf)),
    required('epoch', 'INT32', Int32Array.from(read(rows, epochOf))),
    repeated('topic', read(rows, topicOf)),
    required('partition', 'INT32', Int32Array.from(read(rows, partitionOf))),
    required('offset', 'INT64', BigInt64Array.from(read(rows, offsetOf))),
    repeated('workflow_id', read(rows, workflowIdOf)),
    text({ name: 'record_headers', type: 'STRING', data: read(rows, headersOf) }),
  ];
}

function decision(rows: readonly RowPlace[]): ColumnSource[] {
  return [
    repeated('outcome', read(rows, outcomeOf)),
    repeated('why', read(rows, whyOf)),
    repeated('model_name', read(rows, modelNameOf)),
    repeated('model_version', read(rows, modelVersionOf)),
    required('degraded', 'BOOLEAN', read(rows, degradedOf)),
    required('late', 'BOOLEAN', read(rows, lateOf)),
  ];
}

function entityKeys(rows: readonly RowPlace[], entity: number): string[] {
  const keys: string[] = [];
  for (const { segment, row } of rows) keys.push(segment.entityKeys[entity]![row]!);
  return keys;
}

function features(rows: readonly RowPlace[], feature: number): Float32Array {
  const values = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const { segment, row } = rows[i]!;
    values[i] = segment.features[row * segment.header.features.length + feature]!;
  }
  return values;
}

function predictions(rows: readonly RowPlace[], shape: SegmentHeader, at: number): Float32Array {
  const width = outputWidth(shape);
  const values = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) values[i] = rows[i]!.segment.predictions[rows[i]!.row * width + at]!;
  return values;
}

function predictionLists(rows: readonly RowPlace[], shape: SegmentHeader, at: number, width: number): number[][] {
  const widthOfAll = outputWidth(shape);
  const lists: number[][] = [];
  for (const { segment, row } of rows)
    lists.push([...segment.predictions.subarray(row * widthOfAll + at, row * widthOfAll + at + width)]);
  return lists;
}

/** Numbers per row, all outputs together. */
function outputWidth({ outputs }: SegmentHeader): number {
  return outputs.reduce((sum, { width }) => sum + width, 0);
}

function fields({ events }: SegmentHeader, rows: readonly RowPlace[]): ColumnSource[] {
  const columns = events.fields.map(({ name, kind }): ColumnSource => {
    const column = { name: `field_${name}`, type: kindTypes[kind], data: cells(rows, name, kind) };
    return column.type === 'STRING' ? text(column) : column;
  });
  if (events.rest) {
    columns.push(
      text({
        name: 'other_fields',
        type: 'STRING',
        data: otherFields(rows, new Set(events.fields.map(({ name }) => name))),
      }),
    );
  }
  return columns;
}

/** The fields without a column of their own, as JSON. */
function otherFields(rows: readonly RowPlace[], named: ReadonlySet<string>): string[] {
  const texts: string[] = [];
  for (const { segment, row } of rows) {
    const others: [string, unknown][] = [];
    for (const field of Object.entries(segment.events[row]!)) if (!named.has(field[0])) others.push(field);
    texts.push(JSON.stringify(Object.fromEntries(others)));
  }
  return texts;
}

function cells(rows: readonly RowPlace[], name: string, kind: ColumnKind): ReturnType<typeof cell>[] {
  const values: ReturnType<typeof cell>[] = [];
  for (const { segment, row } of rows) values.push(cell(kind, segment.events[row]![name]));
  return values;
}

/** A value as its column holds it; null when it is absent or not what the schema says. */
function cell(kind: ColumnKind, value: unknown): string | number | boolean | bigint | null {
  if (value === undefined || value === null) return null;
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value);
    case 'json':
      return JSON.stringify(value);
    case 'timestamp': {
      const timeMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
      return Number.isNaN(timeMs) ? null : BigInt(timeMs);
    }
    default:
      return typeof value === kind ? (value as number | boolean) : null;
  }
}

/** The library makes the elements of plain columns; those of lists it leaves to its callers. */
function schemaOf(columns: ColumnSource[], lists: readonly ColumnSource[]): SchemaElement[] {
  const [root, ...elements] = schemaFromColumnData({ columnData: columns });
  const listElements = lists.flatMap(({ name }): SchemaElement[] => [
    { name, repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
  ]);
  return [{ ...root!, num_children: columns.length + lists.length }, ...elements, ...listElements];
}
