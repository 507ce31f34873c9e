/** A cumulative histogram bucket: how many values were at most `upTo`. */
export interface Bucket {
  upTo: number;
  count: number;
}

/**
 * The value below which a share of the observations lies, interpolated inside its bucket; undefined without
 * observations. Beyond the last finite bound it answers that bound: the histogram knows no more.
 */
export function quantile(buckets: readonly Bucket[], share: number): number | undefined {
  const sorted = [...buckets].sort((a, b) => a.upTo - b.upTo);
  const total = sorted.at(-1)?.count ?? 0;
  if (total <= 0) return undefined;
  const rank = share * total;
  let lowerBound = 0;
  let lowerCount = 0;
  for (const { upTo, count } of sorted) {
    if (count >= rank && count > lowerCount) {
      if (upTo === Infinity) return lowerBound;
      return lowerBound + (upTo - lowerBound) * ((rank - lowerCount) / (count - lowerCount));
    }
    if (upTo !== Infinity) lowerBound = upTo;
    lowerCount = count;
  }
  return lowerBound;
}
