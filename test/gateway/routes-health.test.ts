import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayApp } from '../../gateway/app.ts';
import { createReadiness } from '../../gateway/readiness.ts';
import { testGateway } from './rig.ts';

describe('health, readiness, version, documentation', () => {
  let app: GatewayApp | undefined;
  afterEach(() => app?.close());

  it('is alive whatever is missing, and ready as soon as Kafka takes events', async () => {
    let kafkaError: Error | undefined = new Error('no broker');
    let nowMs = 0;
    app = await testGateway({
      nowMs: () => nowMs,
      checks: {
        kafka: () => (kafkaError ? Promise.reject(kafkaError) : Promise.resolve()),
        postgres: () => Promise.resolve(),
        triton: () => {
          throw new Error('');
        },
      },
    });
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'ok' });
    const response = await app.inject('/readyz');
    expect(response.statusCode).toBe(503);
    expect(response.json()).toEqual({
      ready: false,
      missing: ['kafka'],
      degraded: ['triton'],
      checks: [
        { name: 'kafka', needed: true, ready: false, latencyMs: expect.any(Number), reason: 'no broker' },
        { name: 'postgres', needed: false, ready: true, latencyMs: expect.any(Number) },
        { name: 'triton', needed: false, ready: false, latencyMs: expect.any(Number), reason: 'it cannot be reached' },
      ],
    });
    kafkaError = undefined;
    nowMs += 1_000;
    const taking = await app.inject('/readyz');
    expect(taking.statusCode).toBe(200);
    expect(taking.json()).toMatchObject({ ready: true, missing: [], degraded: ['triton'] });
  });

  it('does not wait for a server that never answers, and asks once for calls that come together', async () => {
    let asked = 0;
    let nowMs = 0;
    const readiness = createReadiness(
      { silent: () => new Promise(() => void asked++) },
      { timeoutMs: 20, nowMs: () => nowMs },
    );
    const [first, second] = await Promise.all([readiness(), readiness()]);
    expect(first).toEqual(second);
    expect(first).toMatchObject([{ name: 'silent', ready: false, reason: 'no answer within 20 ms' }]);
    expect(asked).toBe(1);
    nowMs += 1_000;
    await readiness();
    expect(asked).toBe(2);
  });

  it('shows the numbers of each pipeline, what stands, and why something is missing', async () => {
    const standing = {
      pipeline: 'orders',
      topic: 'orders',
      partition: 1,
      doneBelow: 4,
      logEnd: 9,
      lag: 5,
      oldestSeconds: 3_600,
      waiting: { kind: 'halted' as const, text: 'offset 4 cannot be read', forSeconds: 3_000 },
    };
    app = await testGateway({
      gauges: {
        decisions: () =>
          Promise.resolve([
            { pipeline: 'orders', outcome: 'approve', decisions: 7 },
            { pipeline: 'orders', outcome: 'review', decisions: 2 },
          ]),
        openReviews: () => Promise.resolve([{ pipeline: 'orders', count: 2 }]),
        waitingReviews: () => Promise.resolve([{ pipeline: 'orders', count: 6 }]),
        deadLetters: () => Promise.reject(new Error('no broker')),
      },
      state: {
        partitions: () =>
          Promise.resolve({
            partitions: [standing],
            processes: [{ name: 'b', address: '127.0.0.1:1', reason: 'gone' }],
            unknown: { 'log of returns': 'no broker' },
          }),
        schedules: () => Promise.reject(new Error('no Temporal')),
        openBatches: () => Promise.resolve({ total: 0, runs: [] }),
      },
    });
    expect((await app.inject('/v1/status')).json()).toEqual({
      pipelines: [
        {
          name: 'orders',
          topic: 'orders',
          decisions: { approve: 7, review: 2 },
          openReviews: 2,
          waitingReviews: 6,
          partitions: [
            {
              topic: 'orders',
              partition: 1,
              doneBelow: 4,
              logEnd: 9,
              lag: 5,
              oldestSeconds: 3_600,
              waiting: standing.waiting,
            },
          ],
        },
        { name: 'returns', topic: 'returns', decisions: {}, openReviews: 0, waitingReviews: 0, partitions: [] },
      ],
      processes: [{ name: 'b', address: '127.0.0.1:1', reason: 'gone' }],
      problems: [
        {
          kind: 'halted',
          pipeline: 'orders',
          place: 'orders-1',
          short: 'orders-1: halted, waiting for you',
          text: 'orders-1 of orders: 5 records wait, the oldest for 60 min; halted, waiting for you, for 50 min: offset 4 cannot be read',
          log: 'bridge',
        },
        {
          kind: 'process',
          place: 'b',
          short: 'the process b does not answer',
          text: 'the process b does not answer at its metrics address 127.0.0.1:1: gone',
          log: 'b',
        },
      ],
      unknown: { deadLetters: 'no broker', schedules: 'no Temporal', 'log of returns': 'no broker' },
    });
  });

  it('says of which pipeline the dead letters are not known, and shows those of the others', async () => {
    const none = () => Promise.resolve([]);
    app = await testGateway({
      gauges: {
        decisions: none,
        openReviews: none,
        waitingReviews: none,
        deadLetters: () =>
          Promise.resolve([
            { pipeline: 'orders', count: 3 },
            { pipeline: 'returns', reason: 'partition 0 has no leader' },
          ]),
      },
    });
    const { pipelines, unknown } = (await app.inject('/v1/status')).json<{
      pipelines: { deadLetters?: number }[];
      unknown: Record<string, string>;
    }>();
    expect(pipelines.map(({ deadLetters }) => deadLetters)).toEqual([3, undefined]);
    expect(unknown).toMatchObject({ 'deadLetters of returns': 'partition 0 has no leader' });
  });

  it('says what runs, and documents every route', async () => {
    app = await testGateway({});
    expect((await app.inject('/version')).json()).toEqual({
      name: 'headrace',
      version: '1.2.3',
      deployment: 'local',
      pipelines: ['orders', 'returns'],
    });
    const root = await app.inject('/');
    expect([root.statusCode, root.headers.location]).toEqual([302, '/docs']);
    expect((await app.inject('/docs/')).body).toContain('swagger-ui');
    const openapi = (await app.inject('/openapi.json')).json<{
      paths: Record<string, Record<string, { responses: object }>>;
      components: { schemas: object };
    }>();
    expect(Object.keys(openapi.paths).sort()).toEqual([
      '/codec/decode',
      '/codec/encode',
      '/healthz',
      '/metrics',
      '/readyz',
      '/v1/decisions/{eventId}',
      '/v1/pipelines/{name}/events',
      '/v1/reviews',
      '/v1/reviews/{id}',
      '/v1/reviews/{id}/verdict',
      '/v1/status',
      '/version',
    ]);
    expect(Object.keys(openapi.paths['/v1/reviews/{id}/verdict']!['post']!.responses)).toEqual([
      '200',
      '400',
      '404',
      '409',
      '413',
      '415',
      '422',
      '503',
      'default',
    ]);
    expect(Object.keys(openapi.components.schemas)).toEqual(
      expect.arrayContaining(['Decision', 'Review', 'Problem', 'Verdict']),
    );
  });
});
