import { decodeEvents } from '../pipelines/decode-event.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { messageOf } from '../contracts/failures.ts';
import type { ProblemEntry } from './problems.ts';

/** An event that its pipeline accepts, as it goes to Kafka. */
export interface AcceptedEvent {
  eventId: string;
  key: Buffer;
  value: Buffer;
}

/** Brokers refuse records above about 1 MB by default. */
const eventBytesMax = 900_000;

/**
 * Checks events exactly as the worker will check their records, so that nothing which was accepted here becomes a dead letter
 * there. Values go on as they came, without what the schema made of them: the worker applies it once more.
 */
export function acceptEvents(pipeline: AnyPipeline, events: readonly unknown[]): { accepted: AcceptedEvent[]; refused: ProblemEntry[] } {
  const refused: ProblemEntry[] = [];
  const accepted: AcceptedEvent[] = [];
  events.forEach((event, index) => {
    const value = valueOf(event);
    if (!Buffer.isBuffer(value)) {
      refused.push({ index, ...value });
      return;
    }
    const { events: [decoded], rejections } = decodeEvents(pipeline, [{ offset: 0, timestampMs: Date.now(), key: null, value }], { clockMs: Date.now() });
    if (decoded) accepted.push({ eventId: decoded.eventId, key: Buffer.from(decoded.entityKeys[0]!), value });
    else refused.push({ index, code: rejections[0]!.code, reason: rejections[0]!.reason });
  });
  return { accepted, refused };
}

function valueOf(event: unknown): Buffer | { code: string; reason: string } {
  try {
    const value = Buffer.from(JSON.stringify(event));
    if (value.length <= eventBytesMax) return value;
    return { code: 'RECORD_TOO_LARGE', reason: `the event has ${value.length} bytes; at most ${eventBytesMax} are taken` };
  } catch (error) {
    // Only nesting can make what was parsed from JSON impossible to write as JSON.
    return { code: 'TOO_DEEP', reason: messageOf(error) };
  }
}
