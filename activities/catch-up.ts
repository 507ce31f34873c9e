import { log } from '@temporalio/activity';
import type { BatchRef } from '../contracts/event-key.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import type { FeatureStore } from '../features/store.ts';
import type { RecordsPort } from './ports.ts';

/** Applies records to the feature state as a batch of their own, without any other effect. */
export type Apply = (batch: BatchRef, records: KafkaRecord[]) => Promise<unknown>;

/** How long a batch waits for its predecessor before the store is brought up to it from the topic. */
const waitMs = 10_000;
/** One attempt works this long; the next one goes on where it ended. */
const workMs = 15_000;

/**
 * Brings the feature state up to a batch whose predecessors it has not seen: a folder that was lost or put back from a copy. The
 * records between are folded from the topic, without predictions or deliveries: those were made. Loud, because it should not happen.
 */
export class CatchUp {
  /** Since when each chain has waited. */
  readonly #waitingSinceMs = new Map<string, number>();

  constructor(
    private readonly store: FeatureStore,
    private readonly records: RecordsPort,
  ) {}

  /** Answers whether the batch can be applied now. False = try again later. */
  async bringUpTo(batch: BatchRef, chain: string, apply: Apply): Promise<boolean> {
    const sinceMs = this.#waitingSinceMs.get(chain) ?? Date.now();
    this.#waitingSinceMs.set(chain, sinceMs);
    if (Date.now() - sinceMs < waitMs) return false;
    const endMs = Date.now() + workMs;
    let position = this.store.appliedTo(batch);
    log.error('the feature store is behind its chain: folding records from the topic, without effects', { chain, from: position ?? 'the start of the log', to: batch.position });
    for await (const { end, records } of this.records.read(batch.topic, batch.partition, position ?? 0, batch.position)) {
      const { deployment, pipeline, epoch, topic, partition } = batch;
      const from = position ?? records[0]?.offset ?? end - 1;
      await apply({ deployment, pipeline, epoch, topic, partition, position: from, end, count: records.length, ...(position === null ? { head: true } : {}) }, records);
      position = end;
      if (Date.now() > endMs) break;
    }
    const isDone = position === batch.position;
    if (isDone) this.#waitingSinceMs.delete(chain);
    return isDone;
  }
}
