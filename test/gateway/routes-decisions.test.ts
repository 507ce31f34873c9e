import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countDecisions } from '../../database/decisions.ts';
import { createPool } from '../../database/pool.ts';
import { writeReviewTransition } from '../../reviews/projection.ts';
import type { GatewayApp } from '../../gateway/app.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import { openDatabase } from '../database/open.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';
import { reviewInput } from '../workflows/review-rig.ts';
import { testGateway } from './rig.ts';

describe('GET /v1/decisions/{eventId}', () => {
  let pool: Pool;
  let url: string;
  let app: GatewayApp;
  beforeAll(async () => {
    ({ pool, url } = await openDatabase());
    app = await testGateway({ pool });
    const sink = createDashboardSink({ pool });
    const signal = new AbortController().signal;
    await sink.deliver(
      deliveryOf([
        decisionRow(1),
        decisionRow(2, { eventId: 'ä/b?c d', recordTimeMs: undefined }),
        decisionRow(3, { eventId: 'twice' }),
      ]),
      signal,
    );
    await sink.deliver(deliveryOf([decisionRow(4, { eventId: 'twice', outcome: 'block' })]), signal);
    await sink.deliver(
      deliveryOf([decisionRow(5, { eventId: 'order-1', eventKey: 'local:returns:0:returns:0:5' })], {
        name: 'returns',
      }),
      signal,
    );
    await sink.deliver(
      deliveryOf([decisionRow(6, { eventId: 'elsewhere', eventKey: 'local:hidden:0:hidden:0:6' })], { name: 'hidden' }),
      signal,
    );
    await sink.deliver(
      {
        ...deliveryOf([decisionRow(7, { eventId: 'another deployment', eventKey: 'other:orders:0:orders:3:7' })]),
        batch: { ...deliveryOf([]).batch, deployment: 'other' },
      },
      signal,
    );
    const input = { ...reviewInput(1), eventKey: decisionRow(1).eventKey };
    await writeReviewTransition(pool, input, {
      step: 1,
      action: 'opened',
      atMs: 1_760_000_001_000,
      dueAtMs: 1_760_000_002_000,
    });
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await pool?.end();
  });

  const get = (eventId: string, query = '') => app.inject(`/v1/decisions/${encodeURIComponent(eventId)}${query}`);

  it('answers everything about a decision, with its review and links', async () => {
    const response = await get('order-1', '?pipeline=orders');
    expect(response.statusCode).toBe(200);
    const { entities, event, prediction, model, outcome, why } = decisionRow(1);
    const id = `review:${decisionRow(1).eventKey}`;
    expect(response.json()).toMatchObject({
      eventKey: 'local:orders:0:orders:3:1',
      pipeline: 'orders',
      eventId: 'order-1',
      outcome,
      why,
      entities,
      event,
      features: { amount: 12.5, customer_count_1d: Math.fround(0.1) },
      prediction,
      model,
      degraded: false,
      late: false,
      eventTime: '2025-10-09T08:53:20.123Z',
      recordTime: '2025-10-09T08:53:20.500Z',
      origin: { topic: 'orders', partition: 3, offset: 1 },
      repeats: [],
      review: { id, status: 'open', links: { self: `/v1/reviews/${encodeURIComponent(id)}` } },
      links: {
        self: '/v1/decisions/order-1?pipeline=orders',
        workflow: 'http://127.0.0.1:8233/namespaces/test/workflows/batch%3Alocal%3Aorders%3A0%3Aorders%3A0.3%3A1',
      },
    });
  });

  it('finds ids with any characters, and leaves out a review that does not exist', async () => {
    const response = await get('ä/b?c d');
    expect(response.json()).toMatchObject({ eventId: 'ä/b?c d', recordTime: null, origin: { offset: 2 } });
    expect(response.json()).not.toHaveProperty('review');
  });

  it('answers the first decision on an event that was sent twice, and names the other', async () => {
    expect((await get('twice')).json()).toMatchObject({
      origin: { offset: 3 },
      outcome: 'approve',
      repeats: ['local:orders:0:orders:3:4'],
    });
  });

  it('knows nothing of another deployment that uses the same database', async () => {
    expect((await get('another deployment')).statusCode).toBe(404);
    const decided = async (deployment: string) =>
      (await countDecisions(pool, deployment))
        .filter(({ pipeline }) => pipeline === 'orders')
        .reduce((sum, { decisions }) => sum + decisions, 0);
    expect([await decided('local'), await decided('other')]).toEqual([4, 1]);
  });

  it('asks which pipeline when several have the id', async () => {
    const response = await get('order-1');
    expect(response.json()).toMatchObject({
      status: 409,
      type: 'urn:headrace:problem:ambiguous',
      detail: expect.stringMatching(/orders, returns|returns, orders/),
    });
    expect((await get('order-1', '?pipeline=returns')).json()).toMatchObject({ pipeline: 'returns' });
  });

  it('answers 503 while the database is away or too slow', async () => {
    const away = new Pool({ connectionString: 'postgres://ann@127.0.0.1:1/shop' });
    const slow = await createPool(url, { max: 1, applicationName: 'test', statementTimeoutMs: 50 });
    const blocker = await pool.connect();
    try {
      await blocker.query('begin; lock table decisions in access exclusive mode');
      for (const broken of [away, slow]) {
        const gateway = await testGateway({ pool: broken });
        const response = await gateway.inject('/v1/decisions/order-2');
        await gateway.close();
        expect(response.json()).toMatchObject({ status: 503, type: 'urn:headrace:problem:unavailable' });
        expect(response.headers['retry-after']).toBe('1');
      }
    } finally {
      blocker.release(true);
      await away.end();
      await slow.end();
    }
  });

  it('answers 404 for what is not decided, of a pipeline that is not served, or unknown', async () => {
    expect((await get('never')).json()).toMatchObject({ status: 404, type: 'urn:headrace:problem:not-decided' });
    expect((await get('elsewhere')).json()).toMatchObject({ status: 404, type: 'urn:headrace:problem:not-decided' });
    expect((await get('order-1', '?pipeline=nope')).json()).toMatchObject({
      status: 404,
      type: 'urn:headrace:problem:unknown-pipeline',
    });
  });
});
