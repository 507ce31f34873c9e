import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayApp } from '../../gateway/app.ts';
import { startMetricsServer } from '../../process/metrics-server.ts';
import { testGateway } from './rig.ts';

describe('/metrics', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  const gateway = async (parts: Parameters<typeof testGateway>[0]): Promise<GatewayApp> => {
    const app = await testGateway(parts);
    closing.push(() => app.close());
    return app;
  };
  const otherProcess = async (records: number) => {
    const registry = new Registry();
    new Counter({
      name: 'headrace_bridge_records_total',
      help: 'Records.',
      labelNames: ['partition'],
      registers: [registry],
    }).inc({ partition: 0 }, records);
    new Histogram({
      name: 'headrace_scored_latency_seconds',
      help: 'Latency.',
      buckets: [1, 2],
      registers: [registry],
    }).observe(1.5);
    const server = await startMetricsServer(registry, { host: '127.0.0.1', port: 0 });
    closing.push(() => server.close());
    return server.address;
  };

  it('shows our own requests by route, never by path', async () => {
    const app = await gateway({});
    await app.inject('/v1/decisions/some-id?pipeline=nope');
    await app.inject('/unknown/path');
    const { body, headers } = await app.inject('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    expect(body).toContain('headrace_http_requests_total{route="/v1/decisions/:eventId",method="GET",status="404"} 1');
    expect(body).toContain('headrace_http_requests_total{route="unknown",method="GET",status="404"} 1');
    expect(body).toContain('headrace_http_request_seconds_count{route="/v1/decisions/:eventId"} 1');
    expect(body).not.toContain('some-id');
  });

  it('adds up the other processes, leaves out those that fail, hang or answer nonsense, and counts them', async () => {
    const hanging = createServer(() => undefined);
    const nonsense = ['<html>', '{}', '[{"name":"x"}]'].map((body) =>
      createServer((_, response) => void response.end(body)),
    );
    for (const server of [hanging, ...nonsense])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(async () => {
      hanging.closeAllConnections();
      hanging.close();
      for (const server of nonsense) server.close();
    });
    const bad = [hanging, ...nonsense].map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
    const app = await gateway({
      metricsTargets: [await otherProcess(3), await otherProcess(4), ...bad, '127.0.0.1:1'],
    });
    const { body } = await app.inject('/metrics');
    expect(body).toContain('headrace_bridge_records_total{partition="0"} 7');
    expect(body).toContain('headrace_scored_latency_seconds_bucket{le="2"} 2');
    const again = (await app.inject('/metrics')).body;
    for (const target of [...bad, '127.0.0.1:1'])
      expect(again).toMatch(new RegExp(`headrace_metrics_target_failures_total\\{target="${target}"\\} [12]`));
  });

  it('shows open reviews and dead letters, and no old number when they cannot be read', async () => {
    let fail = false;
    let isPartly = false;
    const registry = new Registry();
    const app = await gateway({
      registry,
      gauges: {
        decisions: () => Promise.resolve([]),
        openReviews: () => Promise.resolve([{ pipeline: 'orders', count: 5 }]),
        waitingReviews: () => Promise.resolve([{ pipeline: 'orders', count: 9 }]),
        deadLetters: () =>
          fail
            ? Promise.reject(new Error('no broker'))
            : Promise.resolve([
                { pipeline: 'orders', count: 2 },
                isPartly ? { pipeline: 'returns', reason: 'no leader' } : { pipeline: 'returns', count: 0 },
              ]),
      },
    });
    const { body } = await app.inject('/metrics');
    expect(body).toContain('headrace_reviews_open{pipeline="orders"} 5');
    expect(body).toContain('headrace_reviews_waiting{pipeline="orders"} 9');
    expect(body).toContain('headrace_dead_letters{pipeline="orders"} 2');
    const gauge = registry.getSingleMetric('headrace_dead_letters') as Gauge;
    isPartly = true;
    await expect
      .poll(async () => (await gauge.get()).values, { timeout: 10_000, interval: 200 })
      .toMatchObject([{ labels: { pipeline: 'orders' }, value: 2 }]);
    fail = true;
    await expect.poll(async () => (await gauge.get()).values, { timeout: 10_000, interval: 200 }).toEqual([]);
    expect((await app.inject('/metrics')).body).toContain(
      'headrace_gauge_failures_total{gauge="headrace_dead_letters"}',
    );
  });
});
