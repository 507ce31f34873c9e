import {
  chainId,
  partitionId,
  scopeId,
  type BatchRef,
  type PartitionRef,
  type PipelineScope,
} from '../contracts/event-key.ts';
import { noRefusals, tolerate, type Refusals } from './refusals.ts';
import {
  judgeBatch,
  keptAfter,
  markerAfter,
  partitionsOf,
  type FeatureStore,
  type FoldContext,
  type FoldResult,
  type KeptResults,
  type Marker,
} from './store.ts';

/** A feature store that forgets everything when its process ends: for tests, and for computing features offline. */
export class MemoryStore implements FeatureStore {
  readonly #states = new Map<string, Float64Array>();
  /** By partition. */
  readonly #markers = new Map<string, Marker>();
  /** By chain. */
  readonly #results = new Map<string, { kept: KeptResults; byStart: Map<string, Uint8Array> }>();
  readonly #refusals = new Map<string, Refusals>();
  readonly #readAgain = new Map<string, Set<number>>();
  readonly #readAgainBefore = new Map<string, number>();
  #sequence = 0;

  async apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array> {
    const partitions = partitionsOf(batch).map(partitionId);
    const markers = partitions.map((id) => this.#markers.get(id));
    const results = this.#results.get(chainId(batch));
    const verdict = judgeBatch(markers, results?.kept, batch);
    if (verdict === 'repeat') return results!.byStart.get(batch.startId!)!;
    const commitSequence = verdict === 'apply' ? this.#sequence + 1 : this.#sequence;
    const folded = fold({
      markers,
      commitSequence,
      refusals: this.#refusals.get(scopeId(batch)) ?? noRefusals,
      // A copy, so that a fold that throws has changed nothing.
      get: (key) => this.#states.get(key)?.slice(),
    });
    const { result, watermarks, states, refusals } = folded;
    if (verdict === 'answer') return result;
    for (const [key, state] of states) this.#states.set(key, state);
    batch.ranges.forEach((range, i) =>
      this.#markers.set(partitions[i]!, markerAfter(markers[i], range, watermarks[i]!)),
    );
    const after = keptAfter(results?.kept, batch);
    if (after) {
      const byStart = new Map(results?.byStart).set(batch.startId!, result);
      for (const startId of after.dropped) byStart.delete(startId);
      this.#results.set(chainId(batch), { kept: after.kept, byStart });
    }
    this.#refusals.set(scopeId(batch), refusals);
    this.#sequence = commitSequence;
    return result;
  }

  appliedTo(partition: PartitionRef): number | null {
    return this.#markers.get(partitionId(partition))?.position ?? null;
  }

  async tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void> {
    this.#refusals.set(scopeId(scope), tolerate(this.#refusals.get(scopeId(scope)) ?? noRefusals, partitions));
  }

  wasReadAgain(partition: PartitionRef, offset: number): boolean {
    const id = partitionId(partition);
    return offset < (this.#readAgainBefore.get(id) ?? 0) || this.#readAgain.get(id)?.has(offset) === true;
  }

  async noteReadAgain(partition: PartitionRef, offsets: readonly number[]): Promise<void> {
    const id = partitionId(partition);
    this.#readAgain.set(id, new Set([...(this.#readAgain.get(id) ?? []), ...offsets]));
  }

  async forgetReadAgain(partition: PartitionRef, below: number): Promise<boolean> {
    const notes = this.#readAgain.get(partitionId(partition));
    const old = [...(notes ?? [])].filter((offset) => offset < below);
    for (const offset of old) notes!.delete(offset);
    if (old.length > 0) this.#readAgainBefore.set(partitionId(partition), below);
    return false;
  }

  async close(): Promise<void> {
    this.#states.clear();
    this.#markers.clear();
    this.#results.clear();
  }
}
