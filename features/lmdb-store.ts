import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { chainId, partitionId, type BatchRef, type PartitionRef, type PipelineScope } from '../contracts/event-key.ts';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import { makeFolder } from '../lib/make-folder.ts';
import {
  keptKey,
  markerKey,
  readAgainBeforeKey,
  readAgainKey,
  refusalsKey,
  resultKey,
  scopeOf,
  sequenceKey,
  stateKey,
  statePrefix,
} from './lmdb-keys.ts';
import { isActive, leastWatermark, withProgress, type ProgressMarker } from './marker-progress.ts';
import { packState, unpackState } from './pack-state.ts';
import { isNone, noRefusals, tolerate, type Refusals } from './refusals.ts';
import { StateCache } from './state-cache.ts';
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
  type Retention,
} from './store.ts';
import { StateSweep } from './state-sweep.ts';

export interface LmdbStoreOptions {
  /** The data folder; the store makes a folder `features` in it. Several processes of one host may share it. */
  dataDir: string;
  /** Memory for decoded states. @default 64 MiB */
  cacheBytesMax?: number;
}

/** Who changed the store last, and how many changes there were. */
interface Sequence {
  number: number;
  writer: string;
}

/** How many states of each entity a batch looks at, besides as many as it added, to find those that can be forgotten. */
const sweptMin = 32;
/** Notes of records that were read again which one transaction removes. */
const forgottenMax = 10_000;

/** Opens the embedded feature store. Throws `STORE_UNAVAILABLE`, naming the setting, when the folder cannot be used. */
export function openLmdbStore({ dataDir, cacheBytesMax = 64 * 1024 * 1024 }: LmdbStoreOptions): FeatureStore {
  const folder = join(dataDir, 'features');
  try {
    makeFolder(folder);
    const db = open<Buffer, string>(join(folder, 'state.mdb'), {
      encoding: 'binary',
      // Overlapping sync loses resolved transactions when another process opens the same file.
      overlappingSync: false,
      // Batching by event turn makes a promise inside the binding that nobody can handle: a full disk would end the process.
      eventTurnBatching: false,
    });
    return new LmdbStore(db, cacheBytesMax);
  } catch (error) {
    throw new HeadraceError(
      'STORE_UNAVAILABLE',
      `the feature store in ${folder} cannot be opened (${messageOf(error)}); HEADRACE_DATA_DIR must name a local folder that this user may write`,
      { cause: error },
    );
  }
}

class LmdbStore implements FeatureStore {
  readonly #writer = randomUUID();
  readonly #cache: StateCache;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #sweep: StateSweep;
  /** The change up to which the cache is right. */
  #cachedNumber = -1;

  constructor(
    private readonly db: RootDatabase<Buffer, string>,
    cacheBytesMax: number,
  ) {
    this.#cache = new StateCache(cacheBytesMax);
    this.#sweep = new StateSweep(db);
  }

  apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array> {
    return this.#transaction((touched) => this.#applyInTransaction(batch, fold, touched));
  }

  tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void> {
    return this.#transaction(() => this.#writeRefusals(scope, tolerate(this.#readRefusals(scope), partitions)));
  }

  /** Resolves once what `work` has written is durable; all of it, or nothing. It says when it touches what is cached. */
  async #transaction<T>(work: (touched: () => void) => T): Promise<T> {
    let refusal: { error: unknown } | undefined;
    let isTouched = false;
    const transaction = this.db.childTransaction(() => {
      try {
        return work(() => (isTouched = true));
      } catch (error) {
        refusal = { error };
        throw error;
      }
    });
    this.#underWay.add(transaction);
    try {
      return await transaction;
    } catch (error) {
      // What was cached during a transaction that did not become durable never happened. A batch that waits is refused again and again
      // before it has seen a state, and must not cost the others theirs.
      if (!refusal || isTouched) {
        this.#cache.clear();
        this.#cachedNumber = -1;
      }
      if (refusal && !isLmdbError(refusal.error)) throw refusal.error;
      throw new HeadraceError(
        'STORE_UNAVAILABLE',
        `the feature store cannot be written (${await causeOf(error)}); check the space and the rights in HEADRACE_DATA_DIR`,
        { cause: error },
      );
    } finally {
      this.#underWay.delete(transaction);
    }
  }

  appliedTo(partition: PartitionRef): number | null {
    return this.#readJson<Marker>(markerKey(partitionId(partition)))?.position ?? null;
  }

  wasReadAgain(partition: PartitionRef, offset: number): boolean {
    return (
      offset < (this.#readJson<number>(readAgainBeforeKey(partition)) ?? 0) ||
      this.#read(readAgainKey(partition, offset)) !== undefined
    );
  }

  noteReadAgain(partition: PartitionRef, offsets: readonly number[]): Promise<void> {
    return this.#transaction(() => {
      for (const offset of offsets) this.#write(readAgainKey(partition, offset), Buffer.alloc(0));
    });
  }

  forgetReadAgain(partition: PartitionRef, below: number): Promise<boolean> {
    return this.#transaction(() => {
      const keys = [
        ...this.db.getKeys({
          start: readAgainKey(partition, 0),
          end: readAgainKey(partition, below),
          limit: forgottenMax,
        }),
      ];
      for (const key of keys) void this.db.remove(key);
      if (keys.length > 0)
        this.#writeJson(
          readAgainBeforeKey(partition),
          Math.max(below, this.#readJson<number>(readAgainBeforeKey(partition)) ?? 0),
        );
      return keys.length === forgottenMax;
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.db.close();
  }

  /** Reads and computes everything first and writes last, so that a fold that throws has written nothing. */
  #applyInTransaction(batch: BatchRef, fold: (tx: FoldContext) => FoldResult, touched: () => void): Uint8Array {
    const chain = chainId(batch);
    const partitions = partitionsOf(batch).map(partitionId);
    const markers = partitions.map((id) => this.#readJson<ProgressMarker>(markerKey(id)));
    const kept = this.#readJson<KeptResults>(keptKey(chain));
    const verdict = judgeBatch(markers, kept, batch);
    if (verdict === 'repeat') return this.#read(resultKey(chain, batch.startId!))!;
    const sequence = this.#readJson<Sequence>(sequenceKey) ?? { number: 0, writer: '' };
    if (sequence.number !== this.#cachedNumber || sequence.writer !== this.#writer) this.#cache.clear();
    const commitSequence = verdict === 'apply' ? sequence.number + 1 : sequence.number;
    let unknown = 0;
    const refusalsBefore = this.#readRefusals(batch);
    const folded = fold({
      markers,
      commitSequence,
      refusals: refusalsBefore,
      get: (key) => {
        touched();
        // Cached states are changed in place: until all is written the cache is ahead of the store, and no later transaction may trust it.
        if (verdict === 'apply') this.#cachedNumber = -1;
        const state = this.#readState(key);
        if (!state) unknown++;
        return state;
      },
    });
    const { result, watermarks, states, refusals, retentions } = folded;
    if (verdict === 'answer') return result;
    for (const [key, state] of states) this.#write(stateKey(key), packState(state));
    this.#keepResult(chain, kept, batch, result);
    const epochs = this.#markersOf(batch);
    const all = new Map(epochs.get(batch.epoch));
    const changed = batch.ranges.map((range, i) => ({
      ...markerAfter(markers[i], range, watermarks[i]!),
      lastCommit: commitSequence,
    }));
    const after = changed.map((marker, i) => {
      const others = [...all].flatMap(([id, other]) => (partitions.includes(id) ? [] : [other]));
      return withProgress(marker, markers[i], [...others, ...changed.toSpliced(i, 1)], commitSequence);
    });
    after.forEach((marker, i) => {
      this.#writeJson(markerKey(partitions[i]!), marker);
      all.set(partitions[i]!, marker);
    });
    if (refusals !== refusalsBefore) this.#writeRefusals(batch, refusals);
    this.#writeJson(sequenceKey, { number: commitSequence, writer: this.#writer } satisfies Sequence);
    for (const [key, state] of states) this.#cache.set(key, state);
    this.#cachedNumber = commitSequence;
    this.#forgetOldStates([...all.values()], commitSequence, retentions, sweptMin + unknown);
    for (const [epoch, earlier] of epochs) {
      if (epoch < batch.epoch && ![...earlier.values()].some((each) => isActive(each, commitSequence)))
        this.#forget(`${scopeOf(batch)}${epoch}|`, Infinity, sweptMin);
    }
    return result;
  }

  #keepResult(chain: string, kept: KeptResults | undefined, batch: BatchRef, result: Uint8Array): void {
    const after = keptAfter(kept, batch);
    if (!after) return;
    this.#write(resultKey(chain, batch.startId!), bytesOf(result));
    for (const startId of after.dropped) void this.db.remove(resultKey(chain, startId));
    this.#writeJson(keptKey(chain), after.kept);
  }

  /**
   * Entities come and go; without this the file would grow with every one that was ever seen. Each batch looks at more states than
   * it added, so that forgetting keeps up.
   */
  #forgetOldStates(
    markers: readonly ProgressMarker[],
    commit: number,
    retentions: readonly Retention[],
    count: number,
  ): void {
    for (const { keyPrefix, retentionMs } of retentions) {
      const watermarkMs = leastWatermark(markers, commit, retentionMs);
      if (watermarkMs !== null) this.#forget(keyPrefix, watermarkMs - retentionMs, count);
    }
  }

  /** Looks at the next `count` states under a prefix and removes those without an event after `limitMs`. */
  #forget(keyPrefix: string, limitMs: number, count: number): void {
    for (const key of this.#sweep.step(stateKey(keyPrefix), limitMs, count)) {
      void this.db.remove(key);
      this.#cache.delete(key.slice(statePrefix.length));
    }
  }

  /** The markers of a pipeline's partitions, by epoch and partition. As many as it has partitions, times its epochs. */
  #markersOf(batch: BatchRef): Map<number, Map<string, ProgressMarker>> {
    const start = markerKey(scopeOf(batch));
    const markers = new Map<number, Map<string, ProgressMarker>>();
    for (const { key, value } of this.db.getRange({ start, end: `${start}\uffff` })) {
      const epoch = Number(key.slice(start.length, key.indexOf(':', start.length)));
      if (!markers.has(epoch)) markers.set(epoch, new Map());
      markers.get(epoch)!.set(key.slice(markerKey('').length), parse<ProgressMarker>(value));
    }
    return markers;
  }

  #readRefusals(scope: PipelineScope): Refusals {
    return this.#readJson<Refusals>(refusalsKey(scope)) ?? noRefusals;
  }

  #writeRefusals(scope: PipelineScope, refusals: Refusals): void {
    if (isNone(refusals)) void this.db.remove(refusalsKey(scope));
    else this.#writeJson(refusalsKey(scope), refusals);
  }

  #readState(key: string): Float64Array | undefined {
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const bytes = this.#read(stateKey(key));
    return bytes && unpackState(bytes);
  }

  #read(key: string): Uint8Array | undefined {
    return this.db.getBinary(key);
  }

  #readJson<T>(key: string): T | undefined {
    const bytes = this.db.getBinary(key);
    return bytes && parse<T>(bytes);
  }

  /** Inside a transaction a put is done at once; its promise is the transaction's. */
  #write(key: string, value: Buffer): void {
    void this.db.put(key, value);
  }

  #writeJson(key: string, value: unknown): void {
    this.#write(key, Buffer.from(JSON.stringify(value)));
  }
}

function parse<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Why a transaction failed. A failed commit carries the reason as a promise that rejects, and has to be handled here. */
async function causeOf(error: unknown): Promise<string> {
  const { commitError } = error as { commitError?: Promise<never> };
  return commitError ? commitError.catch(messageOf) : messageOf(error);
}

/** The binding marks its own errors with LMDB's code, the file system's with an errno. */
function isLmdbError(error: unknown): boolean {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'number';
}
