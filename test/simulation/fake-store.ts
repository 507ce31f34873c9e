import { partitionOf, type BatchRef, type PartitionRef, type PipelineScope } from '../../contracts/event-key.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import { MemoryStore } from '../../features/memory-store.ts';
import type { FeatureStore, FoldContext, FoldResult } from '../../features/store.ts';
import type { World } from './world.ts';

/** The real memory store behind a door that fails, before or after the transaction; and that can be put back to an older state. */
export class FakeStore implements FeatureStore {
  #store = new MemoryStore();
  /** What changed the store, in order: its older states are made by doing it again. */
  #applied: { batch: BatchRef; fold: (tx: FoldContext) => FoldResult }[] = [];

  constructor(private readonly world: World) {}

  async apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array> {
    const { random, trace, faults } = this.world;
    if (random.chance(faults.storeFails)) throw new HeadraceError('STORE_UNAVAILABLE', 'before the transaction');
    const before = this.#positions(batch);
    const { asked, folded } = this.#mutated(batch, fold);
    const result = await this.#store.apply(asked, folded);
    const after = this.#positions(batch);
    if (after.some((position, i) => position !== before[i])) {
      if (batch.ranges.some(({ position }, i) => position < (before[i] ?? 0))) trace.count('overlapping batch applied');
      this.#applied.push({ batch, fold });
      trace.tell(() => `store: applies number ${batch.sequence} of chain ${batch.layout}.${batch.chain}`);
    } else trace.count('repeated batch answered');
    if (random.chance(faults.storeFails)) {
      trace.count('store commit unknown');
      throw new HeadraceError('STORE_UNAVAILABLE', 'after the transaction');
    }
    return result;
  }

  #positions(batch: BatchRef): (number | null)[] {
    return batch.ranges.map(({ partition }) => this.#store.appliedTo(partitionOf(batch, partition)));
  }

  /** What the planted bugs make of a batch. */
  #mutated(batch: BatchRef, fold: (tx: FoldContext) => FoldResult) {
    const { mutant } = this.world;
    const withoutMarkers = (tx: FoldContext) => fold({ ...tx, markers: tx.markers.map(() => undefined) });
    if (mutant.reapply) return { asked: this.#anew(batch), folded: withoutMarkers };
    if (mutant.resultBySequence) return { asked: { ...batch, startId: `${batch.sequence}` }, folded: fold };
    return { asked: batch, folded: fold };
  }

  /** For the mutant without marker rules: every range looks like the next one of its partition. */
  #anew(batch: BatchRef): BatchRef {
    const ranges = batch.ranges.map((range) => {
      const position = this.#store.appliedTo(partitionOf(batch, range.partition));
      return position === null ? { ...range, first: true as const } : { ...range, position, end: position + 1 };
    });
    return { ...batch, ranges, startId: undefined };
  }

  appliedTo(partition: PartitionRef): number | null {
    return this.#store.appliedTo(partition);
  }

  /** Puts back a state in which each partition is at least as far as `least` says. Returns how many batches were taken back. */
  async restore(share: number, least: (partition: number) => number): Promise<number> {
    const isRequired = ({ batch }: { batch: BatchRef }) =>
      batch.ranges.some(({ partition, position }) => position < least(partition));
    const kept = Math.max(this.#applied.findLastIndex(isRequired) + 1, Math.floor(this.#applied.length * share));
    const takenBack = this.#applied.length - kept;
    this.#applied = this.#applied.slice(0, kept);
    const store = new MemoryStore();
    this.#store = store;
    for (const { batch, fold } of this.#applied) await store.apply(batch, fold);
    return takenBack;
  }

  /** A stored state, read as any fold reads it. */
  async read(ref: PartitionRef, key: string): Promise<Float64Array> {
    let state: Float64Array | undefined;
    const position = this.appliedTo(ref);
    if (position === null) return new Float64Array();
    const { partition, ...topic } = ref;
    const range = { partition, position: position - 0.75, end: position - 0.5, count: 0 };
    await this.#store.apply({ ...topic, layout: 0, chain: 0, sequence: -1, ranges: [range] }, (tx) => {
      state = tx.get(key);
      return {
        result: new Uint8Array(),
        states: new Map(),
        watermarks: [{ watermarkMs: null }],
        refusals: tx.refusals,
        retentions: [],
      };
    });
    return state ?? new Float64Array();
  }

  tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void> {
    return this.#store.tolerate(scope, partitions);
  }

  wasReadAgain(partition: PartitionRef, offset: number): boolean {
    return this.#store.wasReadAgain(partition, offset);
  }

  noteReadAgain(partition: PartitionRef, offsets: readonly number[]): Promise<void> {
    return this.#store.noteReadAgain(partition, offsets);
  }

  forgetReadAgain(...of: Parameters<FeatureStore['forgetReadAgain']>): Promise<boolean> {
    return this.#store.forgetReadAgain(...of);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
