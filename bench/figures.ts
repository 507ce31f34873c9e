/** One measured number. */
export interface Figure {
  name: string;
  value: number;
  /** What it counts: "events/s", "us/event", "ms". Ratios have "". */
  unit: string;
}

/** What one bench found. */
export interface BenchResult {
  bench: string;
  figures: Figure[];
}

/** A table for people: one line a figure, numbers aligned. */
export function formatResults(results: readonly BenchResult[]): string {
  const nameWidth = Math.max(...results.flatMap(({ figures }) => figures.map(({ name }) => name.length)), 0);
  return results
    .map(({ bench, figures }) =>
      [
        bench,
        ...figures.map(({ name, value, unit }) =>
          `  ${name.padEnd(nameWidth)}  ${formatNumber(value).padStart(12)} ${unit}`.trimEnd(),
        ),
      ].join('\n'),
    )
    .join('\n\n');
}

/** Three significant digits, or all digits before the point where there are more. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return 'unknown';
  const size = Math.abs(value);
  const digits = size >= 100 || size === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString('en-US', { minimumFractionDigits: 0, maximumFractionDigits: Math.min(digits, 6) });
}

/** The smallest sample that at least this share of all samples does not exceed. NaN without samples. */
export function quantile(samples: ArrayLike<number>, share: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}
