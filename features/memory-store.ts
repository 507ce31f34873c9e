import { chainId, scopeId, type BatchRef, type Chain, type PipelineScope } from '../contracts/event-key.ts';
import { noRefusals, tolerate, type Refusals } from './refusals.ts';
import {
  judgeBatch,
  markerAfter,
  markerAfterAnswer,
  resultName,
  type FeatureStore,
  type FoldContext,
  type FoldResult,
  type Marker,
} from './store.ts';

/** A feature store that forgets everything when its process ends: for tests, and for computing features offline. */
export class MemoryStore implements FeatureStore {
  readonly #states = new Map<string, Float64Array>();
  readonly #chains = new Map<string, { marker: Marker; result: Uint8Array; overlapped: Map<string, Uint8Array> }>();
  readonly #refusals = new Map<string, Refusals>();
  readonly #readAgain = new Map<string, Set<number>>();
  readonly #readAgainBefore = new Map<string, number>();
  #sequence = 0;

  async apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array> {
    const id = chainId(batch);
    const chain = this.#chains.get(id);
    const verdict = judgeBatch(chain?.marker, batch);
    if (verdict === 'repeat') return chain!.result;
    if (verdict === 'repeat_overlapped') return chain!.overlapped.get(resultName(batch))!;
    const commitSequence = verdict === 'apply' ? this.#sequence + 1 : this.#sequence;
    const folded = fold({
      markerPosition: chain?.marker.position ?? null,
      commitSequence,
      watermarkMs: chain?.marker.watermarkMs ?? null,
      trend: chain?.marker.trend,
      refusals: this.#refusals.get(scopeId(batch)) ?? noRefusals,
      // A copy, so that a fold that throws has changed nothing.
      get: (key) => this.#states.get(key)?.slice(),
    });
    const { result, states, refusals } = folded;
    if (verdict === 'answer') {
      this.#chains.set(id, { ...chain!, marker: markerAfterAnswer(chain!.marker, batch) ?? chain!.marker });
      return result;
    }
    for (const [key, state] of states) this.#states.set(key, state);
    const after = markerAfter(chain?.marker, batch, folded);
    const overlapped = new Map(chain?.overlapped);
    if (after.overlapped) overlapped.set(resultName(after.overlapped), chain!.result);
    for (const each of after.dropped) overlapped.delete(resultName(each));
    this.#chains.set(id, { marker: after.marker, result, overlapped });
    this.#refusals.set(scopeId(batch), refusals);
    this.#sequence = commitSequence;
    return result;
  }

  appliedTo(chain: Chain): number | null {
    return this.#chains.get(chainId(chain))?.marker.position ?? null;
  }

  async tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void> {
    this.#refusals.set(scopeId(scope), tolerate(this.#refusals.get(scopeId(scope)) ?? noRefusals, partitions));
  }

  wasReadAgain(chain: Chain, offset: number): boolean {
    const id = chainId(chain);
    return offset < (this.#readAgainBefore.get(id) ?? 0) || this.#readAgain.get(id)?.has(offset) === true;
  }

  async noteReadAgain(chain: Chain, offsets: readonly number[]): Promise<void> {
    const id = chainId(chain);
    this.#readAgain.set(id, new Set([...(this.#readAgain.get(id) ?? []), ...offsets]));
  }

  async forgetReadAgain(chain: Chain, below: number): Promise<boolean> {
    const notes = this.#readAgain.get(chainId(chain));
    const old = [...(notes ?? [])].filter((offset) => offset < below);
    for (const offset of old) notes!.delete(offset);
    if (old.length > 0) this.#readAgainBefore.set(chainId(chain), below);
    return false;
  }

  async close(): Promise<void> {
    this.#states.clear();
    this.#chains.clear();
  }
}
