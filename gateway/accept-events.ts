import { decodeEvents } from '../pipelines/decode-event.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { Rejection } from '../contracts/rejection.ts';
import type { CloudEventRefusal, SentEvent } from './cloud-events.ts';
import { Problem, type ProblemEntry } from '../lib/problem.ts';

/** An event that its pipeline accepts, as it goes to Kafka. */
export interface AcceptedEvent extends SentEvent {
  eventId: string;
  key: Buffer;
}

/** Brokers refuse records above about 1 MB by default. */
const eventBytesMax = 900_000;

/**
 * Checks events exactly as the worker will check their records, so that nothing which was accepted here becomes a dead letter
 * there. Values go on as they came, byte for byte, without what the schema made of them: the worker applies it once more.
 */
export function acceptEvents(
  pipeline: AnyPipeline,
  events: readonly (SentEvent | CloudEventRefusal)[],
): { accepted: AcceptedEvent[]; refused: ProblemEntry[] } {
  const refused: ProblemEntry[] = [];
  const accepted: AcceptedEvent[] = [];
  events.forEach((event, index) => {
    if ('code' in event) {
      refused.push({ index, ...event });
      return;
    }
    const bytes = event.value.length + bytesOf(event.headers);
    if (bytes > eventBytesMax) {
      refused.push({
        index,
        code: 'RECORD_TOO_LARGE',
        reason: `the event has ${bytes} bytes; at most ${eventBytesMax} are taken`,
      });
      return;
    }
    const {
      events: [decoded],
      rejections,
    } = decode(pipeline, event.value);
    if (decoded) accepted.push({ eventId: decoded.eventId, key: Buffer.from(decoded.entityKeys[0]!), ...event });
    else
      refused.push({
        index,
        code: rejections[0]!.code,
        reason: `${rejections[0]!.reason}${hintOf(rejections[0]!, event.value)}`,
      });
  });
  return { accepted, refused };
}

function decode(pipeline: AnyPipeline, value: Buffer): ReturnType<typeof decodeEvents> {
  try {
    // Its place is not known before Kafka has it.
    const record = { partition: 0, offset: 0, timestampMs: Date.now(), key: null, value };
    return decodeEvents(pipeline, [record], { clockMs: Date.now() });
  } catch (error) {
    // No event is to blame.
    if (error instanceof HeadraceError)
      throw new Problem(503, 'pipeline-wrong', 'The pipeline takes no event', error.detail);
    throw error;
  }
}

function bytesOf(headers: Record<string, string> = {}): number {
  return Object.entries(headers).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
}

/** What a program probably did that sent an event in an envelope. */
function hintOf({ code }: Rejection, value: Buffer): string {
  if (code !== 'SCHEMA_MISMATCH' || !value.includes('"specversion"')) return '';
  // It was read already, so it is JSON, behind a byte order mark perhaps.
  const event = JSON.parse(value.toString().replace(/^\uFEFF/, '')) as Record<string, unknown> | null;
  const isEnvelope =
    typeof event === 'object' &&
    event !== null &&
    'specversion' in event &&
    ('data' in event || 'data_base64' in event);
  return isEnvelope
    ? '; it looks like a CloudEvent: send it with content-type: application/cloudevents+json (headrace submit --cloudevents)'
    : '';
}
