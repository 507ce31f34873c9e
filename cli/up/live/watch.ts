import { figuresOf } from './figures.ts';
import type { Figures } from './figures.ts';
import { MetricsHistory } from './history.ts';
import { scrape } from './metrics.ts';
import { sleep } from '../../../lib/sleep.ts';

export interface WatchOptions {
  /** Metrics addresses by process. */
  targets: Record<string, string>;
  /** Told every two seconds; undefined until there are two snapshots. */
  onFigures: (figures: Figures | undefined) => void;
  signal: AbortSignal;
}

/** Each look costs every process some milliseconds, also while nothing happens. */
const intervalMs = 2_000;

/** Asks the processes for their metrics every two seconds, until stopped. */
export async function watchFigures({ targets, onFigures, signal }: WatchOptions): Promise<void> {
  const history = new MetricsHistory();
  while (!signal.aborted) {
    const startedAt = Date.now();
    history.add(startedAt, await scrape(targets));
    const span = history.span();
    if (!signal.aborted) onFigures(span === undefined ? undefined : figuresOf(span.oldest, span.newest));
    await sleep(Math.max(0, startedAt + intervalMs - Date.now()), signal);
  }
}
