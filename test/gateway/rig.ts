import { Registry } from 'prom-client';
import type { GatewayApp } from '../../gateway/app.ts';
import { createGateway, type GatewayOptions } from '../../gateway/server.ts';
import { createLogger } from '../../lib/log.ts';
import { createPayloadCodec } from '../../temporal/payload-codec.ts';
import { orders, returns } from './orders.ts';

const notGiven = (what: string) => () => Promise.reject(new Error(`this test has no ${what}`));

const none = () => Promise.resolve([]);

/** A gateway in which only the given parts are real; using another one fails the request. The caller closes it. */
export function testGateway(parts: Partial<GatewayOptions>): Promise<GatewayApp> {
  return createGateway({
    deployment: 'local',
    version: '1.2.3',
    pipelines: [orders, returns],
    publishEvents: notGiven('Kafka'),
    pool: { query: notGiven('database'), connect: notGiven('database') } as never,
    sendVerdict: notGiven('Temporal'),
    links: { uiUrl: 'http://127.0.0.1:8233/', namespace: 'test' },
    checks: {},
    codec: createPayloadCodec(),
    codecOrigins: new Set(),
    registry: new Registry(),
    metricsTargets: [],
    gauges: { decisions: none, openReviews: none, waitingReviews: none, deadLetters: none },
    state: {
      partitions: () => Promise.resolve({ partitions: [], processes: [], unknown: {} }),
      schedules: none,
      openBatches: () => Promise.resolve({ total: 0, runs: [] }),
    },
    log: createLogger('test', 'silent'),
    ...parts,
  });
}
