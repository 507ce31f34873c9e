/** A row of the range ledger: one batch, or neighbours that were merged. */
export interface LedgerRow {
  position: number;
  end: number;
  count: number;
  batches: number;
  /** Offsets that more than one of these batches had. */
  doubled: number;
  /** When the newest of these batches came into the ledger, seconds since 1970. */
  atSeconds: number;
}

/** The same offsets in as few rows as there are spans, ascending. Offsets that two rows have are counted as doubled. */
export function mergeTouching(rows: readonly LedgerRow[]): LedgerRow[] {
  const merged: LedgerRow[] = [];
  for (const row of rows.toSorted((a, b) => a.position - b.position || a.end - b.end)) {
    const last = merged.at(-1);
    if (!last || row.position > last.end) {
      merged.push({ ...row });
      continue;
    }
    last.doubled += row.doubled + Math.min(last.end, row.end) - row.position;
    last.end = Math.max(last.end, row.end);
    last.count += row.count;
    last.batches += row.batches;
    last.atSeconds = Math.max(last.atSeconds, row.atSeconds);
  }
  return merged;
}
