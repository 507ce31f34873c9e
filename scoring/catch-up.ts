import { log } from '../temporal/activity.ts';
import { partitionId, partitionOf, type BatchRange, type BatchRef } from '../contracts/event-key.ts';
import type { BatchRecord } from '../contracts/records-frame.ts';
import type { FeatureStore } from '../features/store.ts';
import type { RecordsPort } from './ports.ts';
import { scoring } from '../contracts/timeouts.ts';

/** Applies records to the feature state as a batch of their own, without any other effect. */
export type Apply = (batch: BatchRef, records: BatchRecord[]) => Promise<unknown>;

/**
 * How long a batch waits for its predecessor before the store is brought up to it from the topic; how long one attempt works, where the next
 * one goes on; and after how long a batch that did not ask again was applied, or another worker has it.
 */
const { waitMs, workMs, staleMs } = scoring;
/** More batches than ever wait in one worker. */
const waitingMax = 4_096;

/**
 * Brings the feature state up to a batch whose predecessors it has not seen: a folder that was lost or put back from a copy. The
 * records between are folded from the topic, without predictions or deliveries: those were made. Loud, because it should not happen.
 */
export class CatchUp {
  /** Since when each batch has waited, and when it last asked; in the order of the latter. */
  readonly #waiting = new Map<string, { sinceMs: number; askedMs: number }>();

  constructor(
    private readonly store: FeatureStore,
    private readonly records: Pick<RecordsPort, 'read'>,
    private readonly nowMs: () => number = () => performance.now(),
    private readonly alarm: (message: string, fields: Record<string, unknown>) => void = (message, fields) =>
      log.error(message, fields),
  ) {}

  /** Brings the partition of one of a batch's ranges up to it. Returns whether the range can be applied now. False = try again later. */
  async bringUpTo(batch: BatchRef, range: BatchRange, apply: Apply): Promise<boolean> {
    const partition = partitionOf(batch, range.partition);
    // Not the partition alone: when the predecessor comes by itself, the partition's next wait is another one.
    const key = `${partitionId(partition)}:${range.position}`;
    if (this.#waitedMs(key) < waitMs) return false;
    const endMs = this.nowMs() + workMs;
    let position = this.store.appliedTo(partition);
    this.alarm('the feature store is behind its partition: folding records from the topic, without effects', {
      partition: partitionId(partition),
      from: position ?? 'the start of the log',
      to: range.position,
    });
    for await (const { end, records } of this.records.read(
      batch.topic,
      range.partition,
      position ?? 0,
      range.position,
    )) {
      await apply(
        foldedAgain(batch, {
          partition: range.partition,
          position: position ?? records[0]?.offset ?? end - 1,
          end,
          count: records.length,
          ...(position === null ? { first: true } : {}),
        }),
        records.map((record) => ({ ...record, partition: range.partition })),
      );
      position = end;
      if (this.nowMs() > endMs) break;
    }
    const isDone = position === range.position;
    if (isDone) this.#waiting.delete(key);
    // The work itself counts as asking: the next attempt goes on with it.
    else this.#waitedMs(key);
    return isDone;
  }

  /** How long a batch has waited; notes that it asks. */
  #waitedMs(key: string): number {
    const nowMs = this.nowMs();
    const known = this.#waiting.get(key);
    const sinceMs = known && nowMs - known.askedMs <= staleMs ? known.sinceMs : nowMs;
    this.#waiting.delete(key);
    this.#waiting.set(key, { sinceMs, askedMs: nowMs });
    for (const [oldest, { askedMs }] of this.#waiting) {
      if (nowMs - askedMs <= staleMs && this.#waiting.size <= waitingMax) break;
      this.#waiting.delete(oldest);
    }
    return nowMs - sinceMs;
  }
}

/** A range by itself, as a batch that no run decides. */
function foldedAgain(
  { deployment, pipeline, epoch, topic, layout, chain, sequence }: BatchRef,
  range: BatchRange,
): BatchRef {
  return { deployment, pipeline, epoch, topic, layout, chain, sequence, ranges: [range] };
}
