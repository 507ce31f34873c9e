import { schemaFromColumnData, type ColumnSource, type SchemaElement } from 'hyparquet-writer';
import { eventKey } from '../../contracts/event-key.ts';
import type { ColumnKind } from './event-columns.ts';
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

type Type = NonNullable<ColumnSource['type']>;

/** Columns of times and offsets, by whose bounds a reader skips what it does not look for. Finding the bounds of the others costs more than writing them. */
const bounded = new Set<Type>(['TIMESTAMP', 'INT64']);

const kindTypes: Record<ColumnKind, Type> = { string: 'STRING', number: 'DOUBLE', boolean: 'BOOLEAN', timestamp: 'TIMESTAMP', json: 'STRING' };

/**
 * The columns of one file: where a decision comes from, the decision, and then, each with a prefix that keeps them apart, entities,
 * features, predictions and the event's own fields. All rows must come from segments of one shape. docs/lake.md lists them.
 */
export function parquetColumns(shape: SegmentHeader, rows: readonly RowPlace[]): ParquetColumns {
  const widths = shape.outputs.reduce((sum, { width }) => sum + width, 0);
  const columns = [...provenance(rows), ...decision(rows)];
  shape.entities.forEach((name, i) => columns.push(required(`entity_${name}`, 'STRING', rows.map(({ segment, row }) => segment.entityKeys[i]![row]!))));
  shape.features.forEach((name, i) => {
    columns.push(required(`feature_${name}`, 'FLOAT', Float32Array.from(rows, ({ segment, row }) => segment.features[row * shape.features.length + i]!)));
  });
  let at = 0;
  const lists: ColumnSource[] = [];
  for (const { name, width } of shape.outputs) {
    const first = at;
    const valuesOf = ({ segment, row }: RowPlace) => segment.predictions.subarray(row * widths + first, row * widths + first + width);
    if (width === 1) columns.push(required(`prediction_${name}`, 'FLOAT', Float32Array.from(rows, (place) => valuesOf(place)[0]!)));
    else lists.push({ name: `prediction_${name}`, data: rows.map((place) => [...valuesOf(place)]), encoding: 'PLAIN' });
    at += width;
  }
  columns.push(...fields(shape, rows));
  return { columns: [...columns, ...lists].map(({ name, type, data, encoding }) => ({ name, data, encoding, statistics: type !== undefined && bounded.has(type) })), schema: schemaOf(columns, lists) };
}

function provenance(rows: readonly RowPlace[]): ColumnSource[] {
  const texts = (of: (place: RowPlace) => string) => rows.map(of);
  const times = (of: (place: RowPlace) => number) => BigInt64Array.from(rows, (place) => BigInt(Math.trunc(of(place))));
  return [
    identities('event_key', rows, ({ segment, row }) => eventKey(segment.header.batch, segment.offset[row]!)),
    identities('event_id', rows, ({ segment, row }) => segment.eventIds[row]!),
    required('event_time', 'TIMESTAMP', times(({ segment, row }) => segment.eventTimeMs[row]!)),
    required('record_time', 'TIMESTAMP', times(({ segment, row }) => segment.recordTimeMs[row]!)),
    repeated('deployment', texts(({ segment }) => segment.header.batch.deployment)),
    required('epoch', 'INT32', Int32Array.from(rows, ({ segment }) => segment.header.batch.epoch)),
    repeated('topic', texts(({ segment }) => segment.header.batch.topic)),
    required('partition', 'INT32', Int32Array.from(rows, ({ segment }) => segment.header.batch.partition)),
    required('offset', 'INT64', BigInt64Array.from(rows, ({ segment, row }) => BigInt(segment.offset[row]!))),
    repeated('workflow_id', texts(({ segment }) => segment.header.workflowId)),
  ];
}

function decision(rows: readonly RowPlace[]): ColumnSource[] {
  const texts = (of: (place: RowPlace) => string) => rows.map(of);
  return [
    repeated('outcome', texts(({ segment, row }) => segment.header.outcomes[segment.outcome[row]!]!)),
    repeated('why', texts(({ segment, row }) => segment.header.whys[segment.why[row]!]!)),
    repeated('model_name', texts(({ segment, row }) => segment.header.models[segment.model[row]!]!.name)),
    repeated('model_version', texts(({ segment, row }) => segment.header.models[segment.model[row]!]!.version)),
    required('degraded', 'BOOLEAN', rows.map(({ segment, row }) => segment.degraded[row] === 1)),
    required('late', 'BOOLEAN', rows.map(({ segment, row }) => segment.late[row] === 1)),
  ];
}

function fields({ events }: SegmentHeader, rows: readonly RowPlace[]): ColumnSource[] {
  const columns: ColumnSource[] = events.fields.map(({ name, kind }) => ({
    name: `field_${name}`,
    type: kindTypes[kind],
    data: rows.map(({ segment, row }) => cell(kind, segment.events[row]![name])),
  }));
  if (events.rest) {
    const named = new Set(events.fields.map(({ name }) => name));
    const restOf = (event: Record<string, unknown>) => JSON.stringify(Object.fromEntries(Object.entries(event).filter(([name]) => !named.has(name))));
    columns.push({ name: 'other_fields', type: 'STRING', data: rows.map(({ segment, row }) => restOf(segment.events[row]!)) });
  }
  return columns;
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

/** Texts that never repeat: written as they are, without looking for repetitions. */
function identities(name: string, rows: readonly RowPlace[], of: (place: RowPlace) => string): ColumnSource {
  return { ...required(name, 'STRING', rows.map((place) => Buffer.from(of(place)))), encoding: 'PLAIN' };
}

/** Texts that nearly always repeat: written once and numbered, without looking whether that pays. */
function repeated(name: string, data: string[]): ColumnSource {
  return { ...required(name, 'STRING', data), encoding: 'RLE_DICTIONARY' };
}

/** Numbers of the model's are written as they are: looking for those that repeat costs more, and compression finds them. */
function required(name: string, type: Type, data: ColumnSource['data']): ColumnSource {
  return { name, type, data, nullable: false, encoding: type === 'FLOAT' ? 'PLAIN' : undefined };
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
