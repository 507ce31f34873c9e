import { Registry } from 'prom-client';
import { beforeEach, describe, expect, test } from 'vitest';
import { createBridgeReports } from '../../bridge/metrics.ts';
import { createLogger } from '../../lib/log.ts';

const chain = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't', partition: 3 };
const labels = 'pipeline="p",topic="t",partition="3"';

describe('the metrics of a partition', () => {
  let registry: Registry;
  let reports: ReturnType<typeof createBridgeReports>;
  const line = async (name: string) =>
    (await registry.metrics()).split('\n').find((each) => each.startsWith(`${name}{`));
  beforeEach(() => {
    registry = new Registry();
    reports = createBridgeReports(registry, createLogger('test', 'silent'));
  });

  test('say at which offset it halts, for as long as it does', async () => {
    reports.halted(chain, 'offset 7 cannot be read', 7);
    expect(await line('headrace_chain_halted')).toBe(`headrace_chain_halted{${labels}} 1`);
    expect(await line('headrace_chain_halted_offset')).toBe(`headrace_chain_halted_offset{${labels}} 7`);
    reports.waiting(chain, 'temporal', new Error('away'));
    expect(await line('headrace_chain_halted')).toBe(`headrace_chain_halted{${labels}} 1`);
    reports.scored(chain, { position: 7, end: 8, adopted: false }, [undefined]);
    expect(await line('headrace_chain_halted')).toBe(`headrace_chain_halted{${labels}} 1`);
    reports.waiting(chain, 'none');
    expect(await line('headrace_chain_halted')).toBe(`headrace_chain_halted{${labels}} 0`);
    expect(await line('headrace_chain_halted_offset')).toBeUndefined();
    reports.halted(chain, 'again', 9);
    reports.revoked(chain);
    expect([await line('headrace_chain_halted'), await line('headrace_chain_halted_offset')]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('take no latency from records without a usable time, and count them', async () => {
    reports.scored(chain, { position: 0, end: 4, adopted: false }, [undefined, Date.now() - 50, 0, Date.now() * 1_000]);
    const text = await registry.metrics();
    expect(text).toContain('headrace_bridge_records_total{pipeline="p",topic="t",partition="3"} 4');
    expect(text).toContain('headrace_scored_latency_seconds_count{pipeline="p"} 1');
    expect(text).toContain('headrace_scored_latency_left_out_total{pipeline="p"} 3');
  });
});
