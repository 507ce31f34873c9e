import type { AnyPipeline } from '../contracts/pipeline.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { isoTime, recordTimeMs } from '../contracts/record-time.ts';
import type { BatchRecord } from '../contracts/records-frame.ts';
import { isPlainJson, jsonOfEvent } from '../lib/plain-json.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf, type Rejection } from '../contracts/rejection.ts';
import { saysAsynchronous } from './event-schema.ts';
import { describeIssues, Refused } from './refused.ts';
import { parseValue } from './parse-value.ts';

/** A record that passed its pipeline's schema, with what its functions say of it. */
export interface DecodedEvent {
  recordIndex: number;
  partition: number;
  offset: number;
  /** When Kafka had the record. Undefined when it has no time that can be used. */
  recordTimeMs: number | undefined;
  /** The record's, as Kafka stores them. Undefined = none. */
  headers: Uint8Array | undefined;
  event: Record<string, unknown>;
  /** What the time was at most when the event came. */
  clockMs: number;
  eventId: string;
  eventTimeMs: number;
  /** In the order of the pipeline's entities. */
  entityKeys: string[];
}

const idCharsMax = 256;
const lastEventTimeMs = Date.UTC(9999, 11, 31);

/** When records are decoded. */
export interface DecodingTime {
  /** The clock when their batch was cut: "now" for all of them. */
  clockMs: number;
  /** They were decided earlier, and what the clock said then is not known: only their own times tell of it. */
  again?: true | undefined;
}

/** Sorts the records of a batch into events and rejections. Never throws on content; throws `PIPELINE_WRONG` when the pipeline's code can decode none. */
export function decodeEvents(
  pipeline: AnyPipeline,
  records: readonly BatchRecord[],
  time: DecodingTime,
): { events: DecodedEvent[]; rejections: Rejection[] } {
  const events: DecodedEvent[] = [];
  const rejections: Rejection[] = [];
  const entities = Object.entries(pipeline.entities).map(([name, keyOf]) => ({ name: `entities.${name}`, keyOf }));
  for (let index = 0; index < records.length; index++) {
    try {
      events.push(decodeEvent(pipeline, entities, records[index]!, index, time));
    } catch (error) {
      if (error instanceof HeadraceError) throw error;
      const refused =
        error instanceof Refused ? error : new Refused('BAD_EVENT', `the event cannot be read (${nameOf(error)})`);
      rejections.push({ index, step: 'decode', code: refused.code, reason: refused.message });
    }
  }
  return { events, rejections };
}

/** The pipeline's entities as a list; made once per batch. */
type Entities = readonly { name: string; keyOf(event: never): string }[];

function decodeEvent(
  pipeline: AnyPipeline,
  entities: Entities,
  record: BatchRecord,
  recordIndex: number,
  { clockMs, again }: DecodingTime,
): DecodedEvent {
  if (record.stub)
    throw new Refused(
      'RECORD_TOO_LARGE',
      `the record has ${record.stub.recordBytes} bytes, more than a batch may carry`,
    );
  const parsed = parseEvent(pipeline, parseValue(pipeline.event, record.value));
  if (!parsed.success) throw new Refused('SCHEMA_MISMATCH', describeIssues(parsed.error.issues));
  const event = parsed.data;
  assertStorable(pipeline, event);
  const { eventId, eventTimeMs, entityKeys } = describeEvent(pipeline, entities, event);
  const timeMs = recordTimeMs(record);
  // What a producer says of the time proves nothing against an event: its clock may be the one that is wrong.
  const nowMs = record.timeIsBrokers && timeMs !== undefined ? timeMs : clockMs;
  if (eventTimeMs > nowMs + pipeline.allowedAheadMs)
    throw new Refused('EVENT_TOO_FAR_AHEAD', aheadReason(pipeline.allowedAheadMs, nowMs, nowMs === clockMs));
  return {
    recordIndex,
    partition: record.partition,
    offset: record.offset,
    recordTimeMs: timeMs,
    headers: record.headers,
    event,
    clockMs: again ? Math.min(nowMs, timeMs ?? nowMs) : nowMs,
    eventId,
    eventTimeMs,
    entityKeys,
  };
}

function aheadReason(allowedMs: number, nowMs: number, isOwnClock: boolean): string {
  return `eventTimeMs lies more than ${allowedMs} ms ahead of the ${isOwnClock ? 'clock' : "broker's clock"} (${isoTime(nowMs) ?? 'which is wrong'})`;
}

function parseEvent({ name, event }: AnyPipeline, value: unknown) {
  try {
    return event.safeParse(value);
  } catch (error) {
    if (saysAsynchronous(error))
      throw new HeadraceError(
        'PIPELINE_WRONG',
        `the event schema of pipeline "${name}" has an asynchronous check or transform; make it synchronous`,
      );
    throw error;
  }
}

/** Sinks store the event as JSON, by field. What the schema makes of a record may have none. */
function assertStorable({ event: schema }: AnyPipeline, event: unknown): void {
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    throw new Refused('BAD_EVENT', 'the schema gives no object');
  if (isPlainJson(schema)) return;
  let json: string | undefined;
  try {
    json = jsonOfEvent(event, schema);
  } catch (error) {
    throw new Refused(
      'BAD_EVENT',
      `what the schema gives cannot be written as JSON (${nameOf(error)}): it refers to itself, is too deep, or one of its parts refuses`,
    );
  }
  if (!json?.startsWith('{')) throw new Refused('BAD_EVENT', 'the schema gives no object');
}

/** What the pipeline's own functions say of an event. Throws when one of them fails or gives nothing usable. */
function describeEvent(
  pipeline: AnyPipeline,
  entities: Entities,
  event: unknown,
): Pick<DecodedEvent, 'eventId' | 'eventTimeMs' | 'entityKeys'> {
  let asked = 'eventId';
  try {
    const eventId = pipeline.eventId(event as never);
    refusePromise(pipeline.name, asked, eventId);
    if (!isId(eventId)) throw new Refused('BAD_EVENT', noId('eventId', eventId));
    asked = 'eventTimeMs';
    const eventTimeMs = pipeline.eventTimeMs(event as never);
    refusePromise(pipeline.name, asked, eventTimeMs);
    if (typeof eventTimeMs !== 'number')
      throw new Refused(
        'BAD_EVENT',
        `eventTimeMs must be a number of milliseconds, but is ${kindOf(eventTimeMs)}${typeof eventTimeMs === 'bigint' ? ': write Number(...)' : ''}`,
      );
    if (!Number.isFinite(eventTimeMs) || eventTimeMs < 0 || eventTimeMs > lastEventTimeMs)
      throw new Refused('BAD_EVENT', 'eventTimeMs must lie between the years 1970 and 9999');
    const entityKeys: string[] = [];
    for (const { name, keyOf } of entities) {
      asked = name;
      const key = keyOf(event as never);
      refusePromise(pipeline.name, name, key);
      if (!isId(key)) throw new Refused('BAD_EVENT', noId(name, key));
      entityKeys.push(key);
    }
    return { eventId, eventTimeMs, entityKeys };
  } catch (error) {
    throw error instanceof Refused || error instanceof HeadraceError
      ? error
      : new Refused('BAD_EVENT', `${asked} failed (${nameOf(error)})`);
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= idCharsMax;
}

/** Names the kind of what was returned, never the value. */
function noId(name: string, value: unknown): string {
  const wanted = `${name} must be a text of 1 to ${idCharsMax} characters`;
  if (typeof value === 'bigint' || typeof value === 'number')
    return `${wanted}, but is ${kindOf(value)}: write String(...)`;
  return typeof value === 'string' ? wanted : `${wanted}, but is ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return value instanceof Date ? 'a Date' : `a ${typeof value}`;
}
