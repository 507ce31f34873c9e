import { isUtf8 } from 'node:buffer';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import { isoTime, recordTimeMs } from '../contracts/record-time.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { isPlainJson, jsonOfEvent } from '../contracts/plain-json.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf, type Rejection } from '../contracts/rejection.ts';
import { saysAsynchronous } from './event-schema.ts';

/** A record that passed its pipeline's schema, with what its functions say of it. */
export interface DecodedEvent {
  recordIndex: number;
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

const depthMax = 32;
const idCharsMax = 256;
const reasonCharsMax = 300;
const lastEventTimeMs = Date.UTC(9999, 11, 31);
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

class Refused extends Error {
  constructor(
    readonly code: FailureCode,
    reason: string,
  ) {
    super(reason);
  }
}

/** When records are decoded. */
export interface DecodingTime {
  /** The clock when their batch was cut: "now" for all of them. */
  clockMs: number;
  /** They were decided earlier, and what the clock said then is not known: only their own times tell of it. */
  again?: true | undefined;
}

/** Sorts the records of a batch into events and rejections. Never throws on content; throws `PIPELINE_WRONG` when the pipeline's code can decode none. */
export function decodeEvents(pipeline: AnyPipeline, records: readonly KafkaRecord[], time: DecodingTime): { events: DecodedEvent[]; rejections: Rejection[] } {
  const events: DecodedEvent[] = [];
  const rejections: Rejection[] = [];
  const entities = Object.entries(pipeline.entities).map(([name, keyOf]) => ({ name: `entities.${name}`, keyOf }));
  for (let index = 0; index < records.length; index++) {
    try {
      events.push(decodeEvent(pipeline, entities, records[index]!, index, time));
    } catch (error) {
      if (error instanceof HeadraceError) throw error;
      const refused = error instanceof Refused ? error : new Refused('BAD_EVENT', `the event cannot be read (${nameOf(error)})`);
      rejections.push({ index, step: 'decode', code: refused.code, reason: refused.message });
    }
  }
  return { events, rejections };
}

/** The pipeline's entities as a list; made once per batch. */
type Entities = readonly { name: string; keyOf(event: never): string }[];

function decodeEvent(pipeline: AnyPipeline, entities: Entities, record: KafkaRecord, recordIndex: number, { clockMs, again }: DecodingTime): DecodedEvent {
  if (record.stub) throw new Refused('RECORD_TOO_LARGE', `the record has ${record.stub.recordBytes} bytes, more than a batch may carry`);
  const parsed = parseEvent(pipeline, parseValue(record.value));
  if (!parsed.success) throw new Refused('SCHEMA_MISMATCH', describeIssues(parsed.error.issues));
  const event = parsed.data;
  assertStorable(pipeline, event);
  const { eventId, eventTimeMs, entityKeys } = describeEvent(pipeline, entities, event);
  const timeMs = recordTimeMs(record);
  // What a producer says of the time proves nothing against an event: its clock may be the one that is wrong.
  const nowMs = record.timeIsBrokers && timeMs !== undefined ? timeMs : clockMs;
  if (eventTimeMs > nowMs + pipeline.allowedAheadMs) throw new Refused('EVENT_TOO_FAR_AHEAD', aheadReason(pipeline.allowedAheadMs, nowMs, nowMs === clockMs));
  return { recordIndex, offset: record.offset, recordTimeMs: timeMs, headers: record.headers, event, clockMs: again ? Math.min(nowMs, timeMs ?? nowMs) : nowMs, eventId, eventTimeMs, entityKeys };
}

function aheadReason(allowedMs: number, nowMs: number, isOwnClock: boolean): string {
  return `eventTimeMs lies more than ${allowedMs} ms ahead of the ${isOwnClock ? "clock" : "broker's clock"} (${isoTime(nowMs) ?? 'which is wrong'})`;
}

function parseEvent({ name, event }: AnyPipeline, value: unknown) {
  try {
    return event.safeParse(value);
  } catch (error) {
    if (saysAsynchronous(error)) throw new HeadraceError('PIPELINE_WRONG', `the event schema of pipeline "${name}" has an asynchronous check or transform; make it synchronous`);
    throw error;
  }
}

/** Sinks store the event as JSON, by field. What the schema makes of a record may have none. */
function assertStorable({ event: schema }: AnyPipeline, event: unknown): void {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) throw new Refused('BAD_EVENT', 'the schema gives no object');
  if (isPlainJson(schema)) return;
  let json: string | undefined;
  try {
    json = jsonOfEvent(event, schema);
  } catch (error) {
    throw new Refused('BAD_EVENT', `what the schema gives cannot be written as JSON (${nameOf(error)}): it refers to itself, is too deep, or one of its parts refuses`);
  }
  if (!json?.startsWith('{')) throw new Refused('BAD_EVENT', 'the schema gives no object');
}

/** Field and fault of the first issues. A path through a map of the event's own keys is cut, and unknown keys are not named. */
function describeIssues(issues: readonly { path: PropertyKey[]; message: string; code: string }[]): string {
  const texts = issues.slice(0, 5).map(({ path, message, code }) => `${path.slice(0, 4).join('.').slice(0, 100) || 'value'}: ${code === 'unrecognized_keys' ? 'unrecognized keys' : message}`);
  return texts.join('; ').slice(0, reasonCharsMax);
}

/** What the pipeline's own functions say of an event. Throws when one of them fails or gives nothing usable. */
function describeEvent(pipeline: AnyPipeline, entities: Entities, event: unknown): Pick<DecodedEvent, 'eventId' | 'eventTimeMs' | 'entityKeys'> {
  let asked = 'eventId';
  try {
    const eventId = pipeline.eventId(event as never);
    refusePromise(pipeline.name, asked, eventId);
    if (!isId(eventId)) throw new Refused('BAD_EVENT', `eventId must be a text of 1 to ${idCharsMax} characters`);
    asked = 'eventTimeMs';
    const eventTimeMs = pipeline.eventTimeMs(event as never);
    refusePromise(pipeline.name, asked, eventTimeMs);
    if (!Number.isFinite(eventTimeMs) || eventTimeMs < 0 || eventTimeMs > lastEventTimeMs) throw new Refused('BAD_EVENT', 'eventTimeMs must lie between the years 1970 and 9999');
    const entityKeys: string[] = [];
    for (const { name, keyOf } of entities) {
      asked = name;
      const key = keyOf(event as never);
      refusePromise(pipeline.name, name, key);
      if (!isId(key)) throw new Refused('BAD_EVENT', `${name} must be a text of 1 to ${idCharsMax} characters`);
      entityKeys.push(key);
    }
    return { eventId, eventTimeMs, entityKeys };
  } catch (error) {
    throw error instanceof Refused || error instanceof HeadraceError ? error : new Refused('BAD_EVENT', `${asked} failed (${nameOf(error)})`);
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= idCharsMax;
}

function parseValue(value: Uint8Array | null): unknown {
  if (!value || value.length === 0) throw new Refused('EMPTY_VALUE', value ? 'the value is empty' : 'the record has no value (a tombstone)');
  if (!isUtf8(value)) throw new Refused('NOT_JSON', 'the value is not UTF-8');
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  let parsed: unknown;
  try {
    // Some programs write a byte order mark, which says nothing in UTF-8.
    parsed = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    // The parser's message quotes the value, which may be personal.
    throw new Refused('NOT_JSON', 'the value is no JSON text');
  }
  if (needsInspection(text)) inspect(parsed, 0);
  return parsed;
}

/** A cheap look that nearly every record passes: only a suspicious one is walked. Keys can be spelled with escapes, too. */
function needsInspection(text: string): boolean {
  if (text.includes('__proto__') || text.includes('constructor') || text.includes('prototype') || text.includes('\\u')) return true;
  let openers = 0;
  for (let at = text.search(/[[{]/); at >= 0 && openers <= depthMax; openers++) at = nextOpener(text, at + 1);
  return openers > depthMax;
}

function nextOpener(text: string, from: number): number {
  const brace = text.indexOf('{', from);
  const bracket = text.indexOf('[', from);
  return brace < 0 || (bracket >= 0 && bracket < brace) ? bracket : brace;
}

function inspect(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth >= depthMax) throw new Refused('TOO_DEEP', `nested deeper than ${depthMax} levels`);
  for (const key of Object.keys(value)) {
    if (forbiddenKeys.has(key)) throw new Refused('FORBIDDEN_KEY', `has a key "${key}"`);
    inspect((value as Record<string, unknown>)[key], depth + 1);
  }
}
