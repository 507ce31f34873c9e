import { jsonElements, jsonMember } from '../lib/json-text.ts';
import { isJsonType } from './read-body.ts';

/** An event as it goes to Kafka: its own bytes, and what surrounded it as record headers. */
export interface SentEvent {
  value: Buffer;
  headers?: Record<string, string>;
}

/** Why something is no CloudEvent that can be taken. */
export interface CloudEventRefusal {
  code: string;
  reason: string;
}

/** Names of attributes as the specification has them. */
const attributeName = /^[a-z0-9]{1,50}$/;
/** Each becomes a header of the record. */
const attributesMax = 50;

/**
 * What a CloudEvent in structured mode carries: the bytes of `data` are the event, and the other attributes become the headers that
 * the Kafka binding of CloudEvents gives them (`ce_id`, `ce_source`, ...).
 */
export function readCloudEvent(json: Buffer): SentEvent | CloudEventRefusal {
  const envelope = JSON.parse(json.toString()) as Record<string, unknown> | null;
  const refuse = (reason: string) => ({ code: 'SCHEMA_MISMATCH', reason });
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope))
    return refuse('a CloudEvent must be an object');
  if (envelope['specversion'] !== '1.0') return refuse('a CloudEvent must have the specversion "1.0"');
  if (Object.keys(envelope).length > attributesMax)
    return refuse(`a CloudEvent of more than ${attributesMax} attributes is not taken`);
  const { datacontenttype: type = 'application/json', data_base64: base64 } = envelope;
  const mediaType = typeof type === 'string' ? type.split(';', 1)[0]!.trim().toLowerCase() : '';
  if (!isJsonType(mediaType)) return refuse('datacontenttype must be application/json');
  const value = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : jsonMember(json, 'data');
  if (!value) return refuse('a CloudEvent must have data');
  const attributes = Object.entries(envelope).filter(([name]) => name !== 'data' && name !== 'data_base64');
  // A number as it was written: as a double it may be another one.
  return {
    value,
    headers: headersOf(
      attributes.map(([name, each]) => [name, typeof each === 'number' ? jsonMember(json, name)!.toString() : each]),
    ),
  };
}

/** The CloudEvents of a batch. */
export function readCloudEvents(json: Buffer): (SentEvent | CloudEventRefusal)[] {
  return jsonElements(json).map(readCloudEvent);
}

/** The attributes of a CloudEvent in binary mode, which came as HTTP headers, as record headers; undefined when it is none. */
export function cloudEventHeaders(
  headers: Record<string, string | string[] | undefined>,
): Record<string, string> | undefined {
  if (headers['ce-specversion'] === undefined) return undefined;
  return headersOf(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('ce-') ? [[name.slice(3), decoded(String(value))]] : [],
    ),
  );
}

function headersOf(attributes: readonly (readonly [string, unknown])[]): Record<string, string> {
  const kept = attributes.filter(
    ([name, value]) =>
      attributeName.test(name) && name !== 'datacontenttype' && value !== null && typeof value !== 'object',
  );
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [`ce_${name}`, String(value)])),
    'content-type': 'application/json',
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
