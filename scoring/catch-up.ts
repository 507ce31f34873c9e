import { log } from '../temporal/activity.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import type { FeatureStore } from '../features/store.ts';
import type { RecordsPort } from './ports.ts';
import { scoring } from '../contracts/timeouts.ts';

/** Applies records to the feature state as a batch of their own, without any other effect. */
export type Apply = (batch: BatchRef, records: KafkaRecord[]) => Promise<unknown>;

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

  /** Returns whether the batch can be applied now. False = try again later. */
  async bringUpTo(batch: BatchRef, chain: string, apply: Apply): Promise<boolean> {
    // Not the chain alone: when the predecessor comes by itself, the chain's next wait is another one.
    const key = `${chain}:${batch.position}`;
    if (this.#waitedMs(key) < waitMs) return false;
    const endMs = this.nowMs() + workMs;
    let position = this.store.appliedTo(batch);
    this.alarm('the feature store is behind its chain: folding records from the topic, without effects', {
      chain,
      from: position ?? 'the start of the log',
      to: batch.position,
    });
    for await (const { end, records } of this.records.read(
      batch.topic,
      batch.partition,
      position ?? 0,
      batch.position,
    )) {
      const { deployment, pipeline, epoch, topic, partition } = batch;
      const from = position ?? records[0]?.offset ?? end - 1;
      await apply(
        {
          deployment,
          pipeline,
          epoch,
          topic,
          partition,
          position: from,
          end,
          count: records.length,
          ...(position === null ? { head: true } : {}),
        },
        records,
      );
      position = end;
      if (this.nowMs() > endMs) break;
    }
    const isDone = position === batch.position;
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
