import type { BatchRef, Chain, PipelineScope } from '../../contracts/event-key.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import { MemoryStore } from '../../features/memory-store.ts';
import { resultName, type FeatureStore, type FoldContext, type FoldResult } from '../../features/store.ts';
import type { World } from './world.ts';

/** The real memory store behind a door that fails, before or after the transaction; and that can be put back to an older state. */
export class FakeStore implements FeatureStore {
  #store = new MemoryStore();
  /** What changed the store, in order: its older states are made by doing it again. */
  #applied: { batch: BatchRef; fold: (tx: FoldContext) => FoldResult }[] = [];

  /** Batches that another one overlapped with: the mutant has lost their results. */
  readonly #overlapped = new Set<string>();

  constructor(private readonly world: World) {}

  async apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array> {
    const { random, trace, faults, mutant } = this.world;
    if (random.chance(faults.storeFails)) throw new HeadraceError('STORE_UNAVAILABLE', 'before the transaction');
    const before = this.#store.appliedTo(batch);
    const asked = mutant.reapply
      ? this.#anew(batch)
      : mutant.oneResult && this.#overlapped.has(resultName(batch))
        ? { ...batch, startId: 'lost' }
        : batch;
    const result = await this.#store.apply(asked, (tx) => fold(mutant.reapply ? { ...tx, markerPosition: null } : tx));
    const last = this.#applied.findLast((each) => each.batch.partition === batch.partition)?.batch;
    const isAnother = last && resultName(batch) !== resultName(last);
    if (isAnother && batch.position < last.end && batch.end > last.position) this.#overlapped.add(resultName(last));
    if (this.#store.appliedTo(batch) !== before) {
      if (last && batch.position < last.end) trace.count('overlapping batch applied');
      this.#applied.push({ batch, fold });
      trace.tell(() => `store: applies [${batch.position}, ${batch.end}) of partition ${batch.partition}`);
    } else trace.count('repeated batch answered');
    if (random.chance(faults.storeFails)) {
      trace.count('store commit unknown');
      throw new HeadraceError('STORE_UNAVAILABLE', 'after the transaction');
    }
    return result;
  }

  /** For the mutant without marker rules: every batch looks like the next one of its chain. */
  #anew(batch: BatchRef): BatchRef {
    const position = this.#store.appliedTo(batch);
    return position === null ? { ...batch, head: true } : { ...batch, position, end: position + 1 };
  }

  appliedTo(chain: Chain): number | null {
    return this.#store.appliedTo(chain);
  }

  /** Puts back a state in which each chain is at least as far as `least` says. Returns how many batches were taken back. */
  async restore(share: number, least: (chain: Chain) => number): Promise<number> {
    const required = this.#applied.findLastIndex(({ batch }) => batch.position < least(batch)) + 1;
    const kept = Math.max(required, Math.floor(this.#applied.length * share));
    const takenBack = this.#applied.length - kept;
    this.#applied = this.#applied.slice(0, kept);
    const store = new MemoryStore();
    this.#store = store;
    for (const { batch, fold } of this.#applied) await store.apply(batch, fold);
    return takenBack;
  }

  /** A stored state, read as any fold reads it. */
  async read(chain: Chain, key: string): Promise<Float64Array> {
    let state: Float64Array | undefined;
    const position = this.appliedTo(chain);
    if (position === null) return new Float64Array();
    await this.#store.apply({ ...chain, position: position - 0.75, end: position - 0.5, count: 0 }, (tx) => {
      state = tx.get(key);
      return { result: new Uint8Array(), states: new Map(), watermarkMs: null, refusals: tx.refusals, retentions: [] };
    });
    return state ?? new Float64Array();
  }

  tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void> {
    return this.#store.tolerate(scope, partitions);
  }

  wasReadAgain(chain: Chain, offset: number): boolean {
    return this.#store.wasReadAgain(chain, offset);
  }

  noteReadAgain(chain: Chain, offsets: readonly number[]): Promise<void> {
    return this.#store.noteReadAgain(chain, offsets);
  }

  forgetReadAgain(...of: Parameters<FeatureStore['forgetReadAgain']>): Promise<boolean> {
    return this.#store.forgetReadAgain(...of);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
