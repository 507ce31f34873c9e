/** A row of the range ledger: what one batch has taken of a partition, or neighbours of one layout that were merged. */
export interface LedgerRow {
  position: number;
  end: number;
  count: number;
  batches: number;
  /** Offsets that more than one of these batches had. */
  doubled: number;
  layout: number;
  chain: number;
  /** The least sequence of these batches, and the greatest. */
  firstSequence: number;
  lastSequence: number;
  /** When the newest of these batches came into the ledger, seconds since 1970. */
  atSeconds: number;
}

/**
 * The same offsets in as few rows as there are spans of each layout, ascending. Offsets that two rows of one layout have are counted
 * as doubled. Layouts stay apart: a sequence tells nothing without its layout.
 */
export function mergeTouching(rows: readonly LedgerRow[]): LedgerRow[] {
  const merged: LedgerRow[] = [];
  for (const row of rows.toSorted((a, b) => a.layout - b.layout || a.position - b.position || a.end - b.end)) {
    const last = merged.at(-1);
    if (!last || row.layout !== last.layout || row.position > last.end) {
      merged.push({ ...row });
      continue;
    }
    last.doubled += row.doubled + Math.min(last.end, row.end) - row.position;
    last.end = Math.max(last.end, row.end);
    last.count += row.count;
    last.batches += row.batches;
    last.firstSequence = Math.min(last.firstSequence, row.firstSequence);
    last.lastSequence = Math.max(last.lastSequence, row.lastSequence);
    last.atSeconds = Math.max(last.atSeconds, row.atSeconds);
  }
  return merged;
}
