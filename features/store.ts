import { chainId, type BatchRef, type Chain, type PipelineScope } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { Refusals } from './refusals.ts';
import type { Watermark } from './watermark.ts';

/** Where the feature state of every entity lives, and how far each chain was applied to it. */
export interface FeatureStore {
  /**
   * Applies a batch once, in chain order: states, marker and result change together or not at all. Returns with the recorded
   * result: the one `fold` gave, or the earlier one when this very batch was applied before.
   *
   * A batch that begins below the marker M is folded with the records below M as duplicates. One that also ends at or below M
   * has no effect left to record: it is answered, and nothing is written, so that it cannot displace the last result of the chain.
   *
   * Throws `PREDECESSOR_MISSING` when the batch before this one was not applied, `STORE_UNAVAILABLE` when the store cannot be
   * read or written, and whatever `fold` throws; nothing has changed then.
   */
  apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array>;
  /** The offset from which on nothing of a chain was applied; null when the store knows nothing of the chain. */
  appliedTo(chain: Chain): number | null;
  /** Lets the refusals of these partitions be right, each until it accepts an event: see `Refusals`. */
  tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void>;
  /** Whether a refused record was written to its topic once more; what was noted is durable. Also true of what `forgetReadAgain` has forgotten. */
  wasReadAgain(chain: Chain, offset: number): boolean;
  noteReadAgain(chain: Chain, offsets: readonly number[]): Promise<void>;
  /** Removes notes of records below an offset, which the topic does not hold any more. Removes some; returns whether there may be more. */
  forgetReadAgain(chain: Chain, below: number): Promise<boolean>;
  close(): Promise<void>;
}

/** What a fold sees of the store. But for the states it got, a fold must be pure: a store may run it again, with states as they were. */
export interface FoldContext extends Watermark {
  /** Records with an offset below it were applied before; null on a chain's first batch. */
  markerPosition: number | null;
  /** Store-wide number of this application. */
  commitSequence: number;
  /** What the pipeline has refused since it last accepted an event. */
  refusals: Refusals;
  /** A stored state. The fold may change it, and then has to answer it among the states that changed. */
  get(key: string): Float64Array | undefined;
}

/** What a fold changes. */
export interface FoldResult extends Watermark {
  result: Uint8Array;
  /** The states that changed. The arrays belong to the store from here on. */
  states: Map<string, Float64Array>;
  refusals: Refusals;
  /** How long states matter: what lies this far behind the watermarks of all chains can be forgotten. Empty = for ever. */
  retentions: readonly Retention[];
}

/** Concerns all states whose keys begin with `keyPrefix`. */
export interface Retention {
  keyPrefix: string;
  retentionMs: number;
}

/** How far a chain was applied. */
export interface Marker extends Watermark {
  /** The offset from which on nothing was applied. */
  position: number;
  /** The batch whose result is kept. */
  last: AppliedBatch;
  /**
   * Batches that another one overlapped with before it is known that their runs have recorded their results: those are kept too. This
   * takes a chain that was walked again after Temporal had forgotten it. Oldest first; absent = none.
   */
  overlapped?: AppliedBatch[];
  /** A batch that was only answered overlapped with the last one: its result is kept like theirs when the next one comes. */
  lastOverlapped?: true;
}

/** A batch that changed the store. */
export interface AppliedBatch {
  position: number;
  end: number;
  startId?: string;
}

/** Owners of a partition that can have cut the chain differently at the same time, and one more. */
const overlappedMax = 4;

/** Tells apart the results that are kept of one chain. */
export function resultName({ position, end, startId }: AppliedBatch): string {
  return `${position}-${end}-${startId ?? ''}`;
}

/**
 * What a batch means to a chain: `repeat` the last result, or the one of an overlapped batch, `apply` it, or only `answer` it. Throws
 * `PREDECESSOR_MISSING`. Another start of the last batch is only answered: the first one had its effects, and a decision made again
 * could be another one.
 */
export function judgeBatch(
  marker: Marker | undefined,
  batch: BatchRef,
): 'repeat' | 'repeat_overlapped' | 'apply' | 'answer' {
  const { position, end } = batch;
  if (!marker) {
    if (batch.head) return 'apply';
    throw new HeadraceError(
      'PREDECESSOR_MISSING',
      `batch [${position}, ${end}) of ${chainId(batch)} is not the first of its chain, and the feature store knows nothing of that chain; check that HEADRACE_DATA_DIR is the folder used so far`,
    );
  }
  const name = resultName(batch);
  if (resultName(marker.last) === name) return 'repeat';
  if (marker.overlapped?.some((each) => resultName(each) === name)) return 'repeat_overlapped';
  if (position > marker.position) {
    throw new HeadraceError(
      'PREDECESSOR_MISSING',
      `batch [${position}, ${end}) of ${chainId(batch)} came before the records from ${marker.position} on were applied to the feature store`,
    );
  }
  return end <= marker.position ? 'answer' : 'apply';
}

/** The marker after a batch was only answered; undefined when that changes nothing. */
export function markerAfterAnswer<M extends Marker>(marker: M, { position, end }: AppliedBatch): M | undefined {
  const { last, lastOverlapped } = marker;
  return lastOverlapped || end <= last.position || position >= last.end
    ? undefined
    : { ...marker, lastOverlapped: true };
}

/** The marker after a batch was applied, and whose results have to be kept or dropped with that. */
export function markerAfter(
  marker: Marker | undefined,
  { position, end, startId }: BatchRef,
  { watermarkMs, trend }: Watermark,
): { marker: Marker; overlapped?: AppliedBatch; dropped: AppliedBatch[] } {
  const overlapped = marker && (position < marker.position || marker.lastOverlapped) ? marker.last : undefined;
  const all = [...(marker?.overlapped ?? []), ...(overlapped ? [overlapped] : [])];
  const after: Marker = {
    position: Math.max(marker?.position ?? 0, end),
    watermarkMs,
    ...(trend ? { trend } : {}),
    last: { position, end, ...(startId === undefined ? {} : { startId }) },
  };
  if (all.length > 0) after.overlapped = all.slice(-overlappedMax);
  return { marker: after, overlapped, dropped: all.slice(0, -overlappedMax) };
}
