import type { KafkaRecord } from './records-frame.ts';

/** The end of the year 9999, the last that an ISO 8601 time of four digits and every database of ours can say. */
export const lastTimeMs = Date.UTC(10_000, 0, 1) - 1;

/** A time that others give, as ISO 8601. Null where it is none that can be said so: `Date` throws then. */
export function isoTime(timeMs: number | null | undefined): string | null {
  return isUsable(timeMs) ? new Date(timeMs).toISOString() : null;
}

/**
 * When Kafka had the record, in milliseconds since 1970. Undefined when its time cannot be used: a producer can send -1 for none, or any other
 * number, such as nanoseconds. Such a record is decided like any other; it only has no time.
 */
export function recordTimeMs({ timestampMs }: Pick<KafkaRecord, 'timestampMs'>): number | undefined {
  return isUsable(timestampMs) ? timestampMs : undefined;
}

/** The record's time with all its digits, whatever it is. */
export function exactTimestamp({
  timestampMs,
  timestampDigits,
}: Pick<KafkaRecord, 'timestampMs' | 'timestampDigits'>): string {
  return timestampDigits ?? String(timestampMs);
}

function isUsable(timeMs: number | null | undefined): timeMs is number {
  return typeof timeMs === 'number' && timeMs >= 0 && timeMs <= lastTimeMs;
}
