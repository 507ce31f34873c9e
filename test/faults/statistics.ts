/** The number that so large a share of them does not exceed, by nearest rank; NaN when there are none. */
export function percentile(numbers: readonly number[], share: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * numbers.length) - 1)] ?? NaN;
}
