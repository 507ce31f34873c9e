import type { FastifyRequest } from 'fastify';
import { jsonElements } from '../lib/json-text.ts';
import type { GatewayApp } from './app.ts';
import {
  cloudEventHeaders,
  readCloudEvent,
  readCloudEvents,
  type CloudEventRefusal,
  type SentEvent,
} from './cloud-events.ts';
import { Problem } from '../lib/problem.ts';
import { isJsonType, mediaTypeOf, readBody, unreadableType } from './read-body.ts';

/** What a body held, in its order. */
export type SentEvents = readonly (SentEvent | CloudEventRefusal)[];

const lineTypes = [
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
  'application/jsonlines',
  'application/json-lines',
  'application/json-seq',
];

/** The types that events are taken in, the usual one first. */
export const eventTypes = [
  'application/json',
  'application/x-ndjson',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
] as const;

/**
 * Reads bodies of events into the bytes of each, so that Kafka gets what was sent: nothing is parsed and written again, which would
 * round integers, and reorder and drop keys.
 */
export function registerEventBodies(app: GatewayApp, bytesMax: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: bytesMax },
    async (request: FastifyRequest, raw: Buffer): Promise<SentEvents> => {
      const { name } = mediaTypeOf(request);
      const read = readerOf(name, request);
      if (!read) throw unreadableType(request, eventTypes);
      return read(await readBody(request, raw, bytesMax));
    },
  );
}

function readerOf(type: string, request: FastifyRequest): ((body: Buffer) => SentEvents) | undefined {
  if (lineTypes.includes(type)) return eventsOfLines;
  if (type === 'application/cloudevents+json') return (body) => [readCloudEvent(jsonOf(body))];
  if (type === 'application/cloudevents-batch+json') return (body) => readCloudEvents(jsonOf(body));
  if (!isJsonType(type)) return undefined;
  return (body) => {
    const values = jsonElements(jsonOf(body));
    // In binary mode a request carries one event.
    const headers = values.length === 1 ? cloudEventHeaders(request.headers) : undefined;
    return values.map((value) => ({ value, headers }));
  };
}

function jsonOf(body: Buffer): Buffer {
  try {
    JSON.parse(body.toString());
    return body;
  } catch {
    const title = body.length === 0 ? 'The body is empty' : 'The body is no JSON';
    throw new Problem(400, 'not-json', title, 'send one event as a JSON object, or an array of them');
  }
}

/** Lines need not be JSON each: the one that is not is named with its index, as any event that is refused. */
function eventsOfLines(body: Buffer): SentEvents {
  const events: SentEvent[] = [];
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(0x0a, start);
    const end = newline < 0 ? body.length : newline;
    const value = trimmed(body.subarray(start, end));
    if (value.length > 0) events.push({ value });
    start = end + 1;
  }
  return events;
}

/** Without whitespace around it, nor the record separator that a JSON text sequence (RFC 7464) begins each text with. */
function trimmed(line: Buffer): Buffer {
  const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x1e;
  let start = 0;
  let end = line.length;
  while (start < end && isSpace(line[start])) start++;
  while (end > start && isSpace(line[end - 1])) end--;
  return line.subarray(start, end);
}
