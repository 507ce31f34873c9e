import { parseEventKey, partitionId, type PartitionRef } from '../contracts/event-key.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';
import { headersIn } from '../contracts/record-headers.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import type { LettersSpan } from '../contracts/resume.ts';
import type { FeatureStore } from '../features/index.ts';
import type { RecordsPort } from './ports.ts';

export interface SearchOptions {
  pipeline: string;
  /** The partitions whose records are looked for. */
  partitions: readonly PartitionRef[];
  /** Records below this offset are not wanted. */
  from: number;
  /** What of the dead letters is to be looked through. */
  spans: readonly LettersSpan[];
  /** The search ends with the fetch that brings it to so many records, */
  max: number;
  /** or when it has taken this long. */
  msMax: number;
  tell: (progress: unknown) => void;
}

/** Offsets of the records that decoding refused and that were not read again yet, by partition; and what is left to look through. */
export async function findRefusedRecords(
  { records, store }: { records: RecordsPort; store: FeatureStore },
  { pipeline, partitions, from: offsetMin, spans, max, msMax, tell }: SearchOptions,
): Promise<{ refused: Map<number, Set<number>>; left: LettersSpan[] }> {
  const refused = new Map(partitions.map(({ partition }) => [partition, new Set<number>()]));
  const wanted = new Set(partitions.map(partitionId));
  const endMs = performance.now() + msMax;
  let found = 0;
  for (const [i, { partition, from, to }] of spans.entries()) {
    for await (const { end, records: letters } of records.read(deadLettersTopic(pipeline), partition, from, to)) {
      for (const letter of letters) {
        const origin = originOf(letter);
        if (!origin || origin.offset < offsetMin || !wanted.has(partitionId(origin))) continue;
        if (store.wasReadAgain(origin, origin.offset)) continue;
        const offsets = refused.get(origin.partition)!;
        if (!offsets.has(origin.offset)) found++;
        offsets.add(origin.offset);
      }
      tell({ deadLettersPartition: partition, lookedTo: end, of: to });
      if (found >= max || performance.now() >= endMs)
        return { refused, left: [...(end < to ? [{ partition, from: end, to }] : []), ...spans.slice(i + 1)] };
    }
  }
  return { refused, left: [] };
}

/** The record that a dead letter is about, when decoding refused it. */
function originOf({ headers }: KafkaRecord): (PartitionRef & { offset: number }) | undefined {
  let key: string | undefined;
  let step: string | undefined;
  for (const [name, value] of headersIn(headers)) {
    const text = Buffer.from(name).toString('latin1');
    if (text === eventKeyHeader) key = value ? Buffer.from(value).toString() : undefined;
    if (text === 'headrace-step') step = value ? Buffer.from(value).toString() : undefined;
  }
  if (key === undefined || step !== 'decode') return undefined;
  try {
    return parseEventKey(key);
  } catch {
    // Somebody else's message in our topic.
    return undefined;
  }
}
