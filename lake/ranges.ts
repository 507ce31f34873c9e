/** Offsets `[from, to)`. */
export type Range = [from: number, to: number];

/** The same offsets as few ascending ranges; those that touch become one. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (from < to) merged.push([from, to]);
  }
  return merged;
}

/** What of `[from, to)` lies in none of the ranges, which must be merged. */
export function uncovered([from, to]: Range, merged: readonly Range[]): Range[] {
  const left: Range[] = [];
  let at = from;
  for (const [start, end] of merged) {
    if (end <= at) continue;
    if (start >= to) break;
    if (start > at) left.push([at, start]);
    at = end;
  }
  if (at < to) left.push([at, to]);
  return left;
}

/** The holes between merged ranges. */
export function holesBetween(merged: readonly Range[]): Range[] {
  return merged.slice(1).map(([from], i) => [merged[i]![1], from]);
}
