import {
  partitionId,
  partitionOf,
  type BatchRange,
  type BatchRef,
  type PartitionRef,
  type PipelineScope,
} from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { Refusals } from './refusals.ts';
import type { Watermark } from './watermark.ts';

/** Where the feature state of every entity lives, and how far each partition was applied to it. */
export interface FeatureStore {
  /**
   * Applies a batch once, each partition in the order of its offsets: states, markers and result change together or not at all. Returns
   * with the recorded result: the one `fold` gave, or the earlier one when this very batch was applied before.
   *
   * Of a range that begins below its partition's marker M the records below M are duplicates. A batch whose ranges all end at or below
   * their markers has no effect left to record: it is answered, and nothing is written, so that it cannot displace the last result of
   * its chain.
   *
   * Throws `PREDECESSOR_MISSING` when of a partition what lies before the batch was not applied, `STORE_UNAVAILABLE` when the store cannot
   * be read or written, and whatever `fold` throws; nothing has changed then.
   */
  apply(batch: BatchRef, fold: (tx: FoldContext) => FoldResult): Promise<Uint8Array>;
  /** The offset from which on nothing of a partition was applied; null when the store knows nothing of it. */
  appliedTo(partition: PartitionRef): number | null;
  /** Lets the refusals of these partitions be right, each until it accepts an event: see `Refusals`. */
  tolerate(scope: PipelineScope, partitions: readonly number[]): Promise<void>;
  /** Whether a refused record was written to its topic once more; what was noted is durable. Also true of what `forgetReadAgain` has forgotten. */
  wasReadAgain(partition: PartitionRef, offset: number): boolean;
  noteReadAgain(partition: PartitionRef, offsets: readonly number[]): Promise<void>;
  /** Removes notes of records below an offset, which the topic does not hold any more. Removes some; returns whether there may be more. */
  forgetReadAgain(partition: PartitionRef, below: number): Promise<boolean>;
  close(): Promise<void>;
}

/** What a fold sees of the store. But for the states it got, a fold must be pure: a store may run it again, with states as they were. */
export interface FoldContext {
  /** For each range of the batch, in order, how far its partition was applied; undefined on its first batch. */
  markers: readonly (Marker | undefined)[];
  /** Store-wide number of this application. */
  commitSequence: number;
  /** What the pipeline has refused since it last accepted an event. */
  refusals: Refusals;
  /** A stored state. The fold may change it, and then has to answer it among the states that changed. */
  get(key: string): Float64Array | undefined;
}

/** What a fold changes. */
export interface FoldResult {
  result: Uint8Array;
  /** For each range of the batch, in order, the watermark of its partition. */
  watermarks: readonly Watermark[];
  /** The states that changed. The arrays belong to the store from here on. */
  states: Map<string, Float64Array>;
  refusals: Refusals;
  /** How long states matter: what lies this far behind the watermarks of all partitions can be forgotten. Empty = for ever. */
  retentions: readonly Retention[];
}

/** Concerns all states whose keys begin with `keyPrefix`. */
export interface Retention {
  keyPrefix: string;
  retentionMs: number;
}

/** How far a partition was applied. */
export interface Marker extends Watermark {
  /** The offset from which on nothing was applied. */
  position: number;
}

/** Of a chain, the runs whose results are kept, by start id. */
export interface KeptResults {
  /** The one that changed the store last. */
  last: string;
  /**
   * Those that another one followed which does not say that they were scored: they may still ask. This takes a chain that was walked
   * again after Temporal had forgotten it. Oldest first.
   */
  unsettled: readonly string[];
}

/** Owners of a chain that can have cut it differently at the same time, and one more. */
const unsettledMax = 4;

/**
 * What a batch means to the store: `repeat` the result that it had before, `apply` it, or only `answer` it. Throws `PREDECESSOR_MISSING`.
 * Another start of the last batch is only answered: the first one had its effects, and a decision made again could be another one.
 *
 * @param markers for each range of the batch, in order
 */
export function judgeBatch(
  markers: readonly (Marker | undefined)[],
  kept: KeptResults | undefined,
  batch: BatchRef,
): 'repeat' | 'apply' | 'answer' {
  const { startId } = batch;
  if (startId !== undefined && (kept?.last === startId || kept?.unsettled.includes(startId))) return 'repeat';
  batch.ranges.forEach((range, i) => assertFollows(markers[i], range, batch));
  return batch.ranges.every(({ end }, i) => end <= (markers[i]?.position ?? -1)) ? 'answer' : 'apply';
}

/** A batch that must wait, because of one of its partitions what lies before it was not applied. */
export class PredecessorMissing extends HeadraceError {
  constructor(
    /** What the store lacks lies before it. */
    readonly range: BatchRange,
    message: string,
  ) {
    super('PREDECESSOR_MISSING', message);
  }
}

function assertFollows(marker: Marker | undefined, range: BatchRange, batch: BatchRef): void {
  const { partition, position, end } = range;
  const where = () => `range [${position}, ${end}) of ${partitionId(partitionOf(batch, partition))}`;
  if (!marker && !range.first)
    throw new PredecessorMissing(
      range,
      `${where()} is not the first of its partition, and the feature store knows nothing of that partition; check that HEADRACE_DATA_DIR is the folder used so far`,
    );
  if (marker && position > marker.position)
    throw new PredecessorMissing(
      range,
      `${where()} came before the records from ${marker.position} on were applied to the feature store`,
    );
}

/** Whose results are kept once a batch was applied, and whose are dropped. What is folded again without a run has none. */
export function keptAfter(
  kept: KeptResults | undefined,
  { startId, after }: BatchRef,
): { kept: KeptResults; dropped: string[] } | undefined {
  if (startId === undefined) return undefined;
  if (!kept) return { kept: { last: startId, unsettled: [] }, dropped: [] };
  if (kept.last === after) return { kept: { last: startId, unsettled: kept.unsettled }, dropped: [kept.last] };
  const unsettled = [...kept.unsettled, kept.last];
  return {
    kept: { last: startId, unsettled: unsettled.slice(-unsettledMax) },
    dropped: unsettled.slice(0, -unsettledMax),
  };
}

/** The marker of a range's partition after a batch was applied. */
export function markerAfter(marker: Marker | undefined, { end }: BatchRange, watermark: Watermark): Marker {
  return { position: Math.max(marker?.position ?? 0, end), ...watermark };
}

/** The partitions of a batch's ranges, in order. */
export function partitionsOf(batch: BatchRef): PartitionRef[] {
  return batch.ranges.map(({ partition }) => partitionOf(batch, partition));
}
