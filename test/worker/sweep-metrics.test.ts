import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createSweepMetrics } from '../../worker/sweep-metrics.ts';

it('shows what the last sweep found, for two intervals', async () => {
  const registry = new Registry();
  let nowMs = 0;
  const onSwept = createSweepMetrics(registry, { everySeconds: 300, nowMs: () => nowMs });
  const shown = async () =>
    (await registry.getMetricsAsJSON()).flatMap(({ name, values }) =>
      values.map(({ labels, value }) => `${name} ${String(labels['pipeline'])} ${value}`),
    );
  expect(await shown()).toEqual([]);
  onSwept(
    new Map([
      ['orders', { incomplete: 3, holes: 1, overlaps: 0 }],
      ['gone', { incomplete: 1, holes: 0, overlaps: 0 }],
    ]),
  );
  onSwept(new Map([['orders', { incomplete: 2, holes: 1, overlaps: 0 }]]));
  const expected = [
    'headrace_runs_closed_incomplete orders 2',
    'headrace_chain_holes orders 1',
    'headrace_chain_overlaps orders 0',
  ];
  expect(await shown()).toEqual(expected);
  nowMs = 600_000;
  expect(await shown()).toEqual(expected);
  nowMs = 600_001;
  expect(await shown()).toEqual([]);
});
