import type { Marker } from './store.ts';
import { inARow } from './watermark.ts';

/**
 * A marker with what tells an idle partition from a slow one. All of it is counted in commits and event time, never by a clock, so that
 * it follows from what was applied alone.
 */
export interface ProgressMarker extends Marker {
  /** Commit of the partition's first batch. */
  firstCommit: number;
  /** Commit of the partition's last batch. */
  lastCommit: number;
  /** Least watermark of the pipeline's other active partitions at that commit; the partition's own when there was none. */
  othersMs: number | null;
}

/** What of a marker tells how far its partition is. */
type Progressed = Pick<ProgressMarker, 'watermarkMs' | 'lastCommit'>;

/** A partition is active up to so many commits of the store after its last one. */
export const activeCommits = 1_024;
/** How much further than the retention the others' event time has to go on before an inactive partition no longer counts. */
export const idleMs = 24 * 3_600_000;

/** The marker after a commit of its partition; `others` are the markers of the pipeline's other partitions, as they are then. */
export function withProgress(
  marker: Marker,
  before: ProgressMarker | undefined,
  others: Iterable<Progressed>,
  commit: number,
): ProgressMarker {
  return {
    ...marker,
    firstCommit: before?.firstCommit ?? commit,
    lastCommit: commit,
    othersMs: leastActive(others, commit) ?? marker.watermarkMs,
  };
}

/**
 * The watermark of the slowest partition that counts: what lies a retention behind it can be forgotten. A partition does not count while
 * others went on without it for more than `activeCommits` commits and for the retention and `idleMs` of event time: else an idle
 * partition would hold back its pipeline for ever. Null when nothing can be told: a partition is new, and has not seen events enough.
 * So nobody sees whether a state was forgotten here: who reads it would have forgotten as much.
 */
export function leastWatermark(markers: readonly ProgressMarker[], commit: number, retentionMs: number): number | null {
  const activeMs = leastActive(markers, commit);
  let least = Infinity;
  for (const marker of markers) {
    const { watermarkMs, othersMs, firstCommit, trend } = marker;
    const isBelieved = watermarkMs !== null && (trend === undefined || trend.seen >= inARow);
    if (!isBelieved && commit - firstCommit <= activeCommits) return null;
    if (watermarkMs === null) continue;
    const isIdle =
      !isActive(marker, commit) &&
      activeMs !== undefined &&
      activeMs - (othersMs ?? watermarkMs) > retentionMs + idleMs;
    if (!isIdle) least = Math.min(least, watermarkMs);
  }
  return Number.isFinite(least) ? least : null;
}

export function isActive({ lastCommit }: Pick<ProgressMarker, 'lastCommit'>, commit: number): boolean {
  return commit - lastCommit <= activeCommits;
}

/** Least, not greatest: one event from the far future must not make the others look idle. */
function leastActive(markers: Iterable<Progressed>, commit: number): number | undefined {
  let least = Infinity;
  for (const marker of markers)
    if (marker.watermarkMs !== null && isActive(marker, commit)) least = Math.min(least, marker.watermarkMs);
  return Number.isFinite(least) ? least : undefined;
}
