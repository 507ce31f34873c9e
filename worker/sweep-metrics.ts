import { Gauge, type Registry } from 'prom-client';
import type { SweepCounts, SweepOptions } from '../activities/sweep.ts';

/**
 * Shows what the last sweep found. The next one may run in another worker, so a figure goes when it is two intervals old: take the
 * maximum over the workers.
 */
export function createSweepMetrics(
  registry: Registry,
  { everySeconds, nowMs = () => performance.now() }: { everySeconds: number; nowMs?: () => number },
): SweepOptions['onSwept'] {
  let last: { counts: ReadonlyMap<string, SweepCounts>; atMs: number } | undefined;
  const gauge = (name: string, help: string, of: (counts: SweepCounts) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['pipeline'],
      registers: [registry],
      collect() {
        this.reset();
        if (!last || nowMs() - last.atMs > 2 * everySeconds * 1_000) return;
        for (const [pipeline, counts] of last.counts) this.set({ pipeline }, of(counts));
      },
    });
  gauge(
    'headrace_runs_closed_incomplete',
    'Batches that ended without completing; headrace status --verify names the commands.',
    ({ incomplete }) => incomplete,
  );
  gauge('headrace_chain_holes', 'Ranges of offsets that no batch has.', ({ holes }) => holes);
  gauge(
    'headrace_chain_overlaps',
    'Ranges of offsets that two batches of the last hour have.',
    ({ overlaps }) => overlaps,
  );
  return (counts) => {
    last = { counts, atMs: nowMs() };
  };
}
