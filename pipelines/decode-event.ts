import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { nameOf, type Rejection } from '../contracts/rejection.ts';
import { describeIssues, Refused } from './refused.ts';
import { parseValue } from './parse-value.ts';

/** A record that passed its pipeline's schema, with what its functions say of it. */
export interface DecodedEvent {
  recordIndex: number;
  offset: number;
  recordTimeMs: number;
  event: Record<string, unknown>;
  eventId: string;
  eventTimeMs: number;
  /** In the order of the pipeline's entities. */
  entityKeys: string[];
}

const idCharsMax = 256;
const lastEventTimeMs = Date.UTC(9999, 11, 31);

/** Sorts the records of a batch into events and rejections. Never throws on content. */
export function decodeEvents(pipeline: AnyPipeline, records: readonly KafkaRecord[]): { events: DecodedEvent[]; rejections: Rejection[] } {
  const events: DecodedEvent[] = [];
  const rejections: Rejection[] = [];
  const entities = Object.entries(pipeline.entities).map(([name, keyOf]) => ({ name: `entities.${name}`, keyOf }));
  for (let index = 0; index < records.length; index++) {
    try {
      events.push(decodeEvent(pipeline, entities, records[index]!, index));
    } catch (error) {
      const refused = error instanceof Refused ? error : new Refused('BAD_EVENT', `the event cannot be read (${nameOf(error)})`);
      rejections.push({ index, step: 'decode', code: refused.code, reason: refused.message });
    }
  }
  return { events, rejections };
}

/** The pipeline's entities as a list; made once per batch. */
type Entities = readonly { name: string; keyOf(event: never): string }[];

function decodeEvent(pipeline: AnyPipeline, entities: Entities, record: KafkaRecord, recordIndex: number): DecodedEvent {
  if (record.stub) throw new Refused('RECORD_TOO_LARGE', `the record has ${record.stub.recordBytes} bytes, more than a batch may carry`);
  const parsed = pipeline.event.safeParse(parseValue(pipeline.event, record.value));
  if (!parsed.success) throw new Refused('SCHEMA_MISMATCH', describeIssues(parsed.error.issues));
  const event = parsed.data;
  const { eventId, eventTimeMs, entityKeys } = describeEvent(pipeline, entities, event);
  if (eventTimeMs > record.timestampMs + pipeline.allowedAheadMs) throw new Refused('BAD_EVENT', `eventTimeMs lies more than ${pipeline.allowedAheadMs} ms after the record's own time`);
  return { recordIndex, offset: record.offset, recordTimeMs: record.timestampMs, event, eventId, eventTimeMs, entityKeys };
}

/** What the pipeline's own functions say of an event. Throws when one of them fails or gives nothing usable. */
function describeEvent(pipeline: AnyPipeline, entities: Entities, event: unknown): Pick<DecodedEvent, 'eventId' | 'eventTimeMs' | 'entityKeys'> {
  let asked = 'eventId';
  try {
    const eventId = pipeline.eventId(event as never);
    if (!isId(eventId)) throw new Refused('BAD_EVENT', noId('eventId', eventId));
    asked = 'eventTimeMs';
    const eventTimeMs = pipeline.eventTimeMs(event as never);
    if (typeof eventTimeMs !== 'number') throw new Refused('BAD_EVENT', `eventTimeMs must be a number of milliseconds, but is ${kindOf(eventTimeMs)}${typeof eventTimeMs === 'bigint' ? ': write Number(...)' : ''}`);
    if (!Number.isFinite(eventTimeMs) || eventTimeMs < 0 || eventTimeMs > lastEventTimeMs) throw new Refused('BAD_EVENT', 'eventTimeMs must lie between the years 1970 and 9999');
    const entityKeys: string[] = [];
    for (const { name, keyOf } of entities) {
      asked = name;
      const key = keyOf(event as never);
      if (!isId(key)) throw new Refused('BAD_EVENT', noId(name, key));
      entityKeys.push(key);
    }
    return { eventId, eventTimeMs, entityKeys };
  } catch (error) {
    throw error instanceof Refused ? error : new Refused('BAD_EVENT', `${asked} failed (${nameOf(error)})`);
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= idCharsMax;
}

/** Names the kind of what was returned, never the value. */
function noId(name: string, value: unknown): string {
  const wanted = `${name} must be a text of 1 to ${idCharsMax} characters`;
  if (typeof value === 'bigint' || typeof value === 'number') return `${wanted}, but is ${kindOf(value)}: write String(...)`;
  return typeof value === 'string' ? wanted : `${wanted}, but is ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return value instanceof Date ? 'a Date' : `a ${typeof value}`;
}
