import type { Marker } from './store.ts';
import { inARow } from './watermark.ts';

/**
 * A marker with what tells an idle chain from a slow one. All of it is counted in commits and event time, never by a clock, so that
 * it follows from what was applied alone.
 */
export interface ProgressMarker extends Marker {
  /** Commit of the chain's first batch. */
  firstCommit: number;
  /** Commit of the chain's last batch. */
  lastCommit: number;
  /** Least watermark of the pipeline's other active chains at that commit; the chain's own when there was none. */
  othersMs: number | null;
}

/** A chain is active up to so many commits of the store after its last one. */
export const activeCommits = 1_024;
/** How much further than the retention the others' event time has to go on before an inactive chain no longer counts. */
export const idleMs = 24 * 3_600_000;

/** The marker after a commit of its chain; `others` are the markers of the pipeline's other chains. */
export function withProgress(
  marker: Marker,
  before: ProgressMarker | undefined,
  others: Iterable<ProgressMarker>,
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
 * The watermark of the slowest chain that counts: what lies a retention behind it can be forgotten. A chain does not count while
 * others went on without it for more than `activeCommits` commits and for the retention and `idleMs` of event time: else an idle
 * partition would hold back its pipeline for ever. Null when nothing can be told: a chain is new, and has not seen events enough.
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

export function isActive({ lastCommit }: ProgressMarker, commit: number): boolean {
  return commit - lastCommit <= activeCommits;
}

/** Least, not greatest: one event from the far future must not make the others look idle. */
function leastActive(markers: Iterable<ProgressMarker>, commit: number): number | undefined {
  let least = Infinity;
  for (const marker of markers)
    if (marker.watermarkMs !== null && isActive(marker, commit)) least = Math.min(least, marker.watermarkMs);
  return Number.isFinite(least) ? least : undefined;
}
