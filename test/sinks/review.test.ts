import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pool } from '../../database/pool.ts';
import { createReviewSink } from '../../sinks/review.ts';
import { openDatabase } from '../database/open.ts';
import { decisionRow, deliveryOf } from './rows.ts';

const policy = {
  verdicts: ['fraud', 'genuine'],
  timeoutMs: 60_000,
  title: (event: Record<string, unknown>) => `order ${String(event['orderId'])}`,
};
const signal = () => new AbortController().signal;

describe('review sink', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
  }, 180_000);
  afterAll(() => pool?.end());

  const stored = async (where: string) =>
    (await pool.query<Record<string, unknown>>(`select * from reviews where ${where} order by event_key`)).rows;

  it('keeps what a reviewer needs, waiting', async () => {
    const row = decisionRow(4, { outcome: 'review' });
    await createReviewSink({ pool }).deliver(
      deliveryOf([row], { review: { ...policy, value: ({ event }) => Number(event['amount']) * 2 } }),
      signal(),
    );
    expect(await stored(`event_id = 'order-4'`)).toMatchObject([
      {
        id: `review:${row.eventKey}`,
        event_key: row.eventKey,
        pipeline: 'orders',
        title: 'order order-4',
        outcome: 'review',
        why: row.why,
        entities: row.entities,
        event_time: new Date(row.eventTimeMs),
        verdicts: policy.verdicts,
        timeout_ms: '60000',
        value: 25,
        status: 'waiting',
        step: 0,
        opened_at: null,
        claimed_at: null,
      },
    ]);
  });

  it('keeps one per event, however often and however parallel it is delivered, also when it is decided already', async () => {
    const sink = createReviewSink({ pool });
    const delivery = deliveryOf(
      Array.from({ length: 50 }, (_, i) => decisionRow(100 + i)),
      { review: policy },
    );
    await Promise.all([sink.deliver(delivery, signal()), sink.deliver(delivery, signal())]);
    await pool.query(
      `update reviews set status = 'decided', step = 2, opened_at = now(), due_at = now(), decided_at = now(), verdict = 'fraud', reviewer = 'Ann' where event_id = 'order-103'`,
    );
    await sink.deliver(delivery, signal());
    const rows = await stored(`event_id like 'order-1__'`);
    expect(rows.map(({ event_id, status }) => [event_id, status])).toEqual(
      Array.from({ length: 50 }, (_, i) => [`order-${100 + i}`, i === 3 ? 'decided' : 'waiting']),
    );
  });

  it('stores what Postgres cannot hold as the replacement character', async () => {
    await createReviewSink({ pool }).deliver(
      deliveryOf([decisionRow(300, { why: 'a\u0000b', entities: { customer: 'c\u0000', shop: '\ud800' } })], {
        review: policy,
      }),
      signal(),
    );
    expect(await stored(`event_id = 'order-300'`)).toMatchObject([
      { why: 'a\ufffdb', entities: { customer: 'c\ufffd', shop: '\ufffd' } },
    ]);
  });

  it('asks for another try when Postgres is away or the signal aborts', async () => {
    const away = { query: () => Promise.reject(new Error('connection refused')) } as unknown as Pool;
    await expect(
      createReviewSink({ pool: away }).deliver(deliveryOf([decisionRow(0)], { review: policy }), signal()),
    ).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' });
    const stop = new AbortController();
    const silent = { query: () => new Promise(() => {}) } as unknown as Pool;
    const delivering = createReviewSink({ pool: silent }).deliver(
      deliveryOf([decisionRow(0)], { review: policy }),
      stop.signal,
    );
    stop.abort(new Error('the worker stops'));
    await expect(delivering).rejects.toThrow('the worker stops');
  });

  it.each<[string, object]>([
    ['has no title for it', { title: (event: Record<string, unknown>) => (event['shop'] as string).toUpperCase() }],
    [
      'has no value for it',
      { value: ({ event }: { event: Record<string, unknown> }) => (event['shop'] as string).length },
    ],
    [
      'values it as no number',
      { value: ({ event }: { event: Record<string, unknown> }) => (event['shop'] === 'a' ? 1 : Number.NaN) },
    ],
  ])('blames the row when the pipeline %s, before it keeps any', async (_, parts) => {
    const rows = [decisionRow(200, { event: { shop: 'a' } }), decisionRow(201, { event: {} })];
    await expect(
      createReviewSink({ pool }).deliver(deliveryOf(rows, { review: { ...policy, ...parts } }), signal()),
    ).rejects.toMatchObject({ code: 'SINK_REFUSED_ROW' });
    expect(await stored(`event_id like 'order-20_'`)).toEqual([]);
  });
});
