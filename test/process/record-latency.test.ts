import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { RecordLatency } from '../../process/record-latency.ts';

test('takes the time since a record only where its own time can be true, and counts the others', async () => {
  const registry = new Registry();
  const nowMs = 1_767_225_600_000;
  const day = 86_400_000;
  new RecordLatency('test_latency', 'help', registry).observe(
    'p',
    [nowMs - 2_000, nowMs + 500, nowMs - 6 * day, nowMs + day, nowMs - 8 * day, undefined, Number.NaN, 0],
    nowMs,
  );
  const text = await registry.metrics();
  expect(text).toContain('test_latency_seconds_count{pipeline="p"} 3');
  expect(text).toContain(`test_latency_seconds_sum{pipeline="p"} ${2 + (6 * day) / 1_000}`);
  expect(text).toContain('test_latency_left_out_total{pipeline="p"} 5');
});
