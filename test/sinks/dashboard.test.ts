import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPool, type Pool } from '../../database/pool.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import { openDatabase } from '../database/open.ts';
import { decisionRow, deliveryOf } from './rows.ts';

describe('dashboard sink', () => {
  let pool: Pool;
  let url: string;
  const never = () => new AbortController().signal;
  const rowsOf = (from: number, count: number, parts: (offset: number) => Partial<DecisionRow> = () => ({})) =>
    Array.from({ length: count }, (_, i) => decisionRow(from + i, parts(from + i)));
  const minutes = async () =>
    (
      await pool.query(
        'select minute, outcome, model_version, decisions::int, degraded::int, late::int from decision_minutes order by 1, 2, 3',
      )
    ).rows;
  const keys = async () =>
    (await pool.query<{ event_key: string }>('select event_key from decisions order by kafka_offset')).rows.map(
      (row) => row.event_key,
    );

  beforeAll(async () => {
    ({ pool, url } = await openDatabase());
  }, 120_000);
  beforeEach(() => pool.query('truncate decisions, decision_minutes'));
  afterAll(() => pool?.end());

  it('stores every part of a decision, exactly', async () => {
    const row = decisionRow(5, { degraded: true, late: true });
    await createDashboardSink({ pool }).deliver(deliveryOf([row]), never());
    const { rows } = await pool.query('select * from decisions_by_name');
    expect(rows).toEqual([
      {
        event_key: row.eventKey,
        pipeline: 'orders',
        event_id: 'order-5',
        topic: 'orders',
        partition: 3,
        kafka_offset: '5',
        record_time: new Date(row.recordTimeMs!),
        event_time: new Date(row.eventTimeMs),
        entities: row.entities,
        event: row.event,
        features: { amount: 12.5, customer_count_1d: Math.fround(0.1) },
        prediction: row.prediction,
        model_name: 'orders',
        model_version: '4',
        degraded: true,
        late: true,
        outcome: 'approve',
        why: row.why,
        workflow_id: 'batch:local:orders:0:orders:0.3:5',
        decided_at: expect.any(Date),
      },
    ]);
    expect(await minutes()).toEqual([
      {
        minute: new Date(1_759_999_980_000),
        outcome: 'approve',
        model_version: '4',
        decisions: 1,
        degraded: 1,
        late: 1,
      },
    ]);
  });

  it('keeps times to the microsecond, and refuses what is no time or no whole number', async () => {
    const times = [0, 1_760_000_000_123, -1, 946_684_800_000, 253_402_300_799_000, 0.5, -62_135_596_800_000];
    const sink = createDashboardSink({ pool });
    await sink.deliver(
      deliveryOf(times.map((time, i) => decisionRow(i, { eventTimeMs: time, recordTimeMs: time }))),
      never(),
    );
    const { rows } = await pool.query<{ us: string; same: boolean }>(
      'select extract(epoch from event_time) * 1000000 as us, event_time = record_time as same from decisions order by kafka_offset',
    );
    expect(rows.map(({ us, same }) => [Number(us) / 1_000, same])).toEqual(times.map((time) => [time, true]));
    for (const odd of [{ eventTimeMs: Number.NaN }, { offset: 0.5 }, { offset: 2 ** 53 }])
      await expect(sink.deliver(deliveryOf([decisionRow(9, odd)]), never())).rejects.toMatchObject({
        code: 'SINK_REFUSED_ROW',
      });
  });

  it('has no record time for a record without one', async () => {
    await createDashboardSink({ pool }).deliver(
      deliveryOf([decisionRow(5, { recordTimeMs: undefined }), decisionRow(6)]),
      never(),
    );
    const { rows } = await pool.query('select event_id, record_time from decisions_by_name order by 1');
    expect(rows).toEqual([
      { event_id: 'order-5', record_time: null },
      { event_id: 'order-6', record_time: new Date(decisionRow(6).recordTimeMs!) },
    ]);
  });

  it('changes nothing when rows come again, alone, together or beside new ones', async () => {
    const sink = createDashboardSink({ pool });
    await sink.deliver(deliveryOf(rowsOf(0, 10)), never());
    await sink.deliver(deliveryOf(rowsOf(0, 10, () => ({ outcome: 'block' }))), never());
    await sink.deliver(deliveryOf(rowsOf(5, 10)), never());
    expect(await keys()).toEqual(rowsOf(0, 15).map((row) => row.eventKey));
    expect(await minutes()).toMatchObject([{ outcome: 'approve', decisions: 15 }]);
  });

  it('counts each kind of decision in its minute, and what is degraded or late apart', async () => {
    const at = (minute: number) => ({ eventTimeMs: 1_759_999_980_000 + minute * 60_000 });
    const rows = [
      decisionRow(0, { ...at(1), degraded: true }),
      decisionRow(1, { ...at(0), late: true }),
      decisionRow(2, { ...at(1), outcome: 'block', late: true }),
      decisionRow(3, { ...at(1), model: { name: 'orders', version: '5' } }),
      decisionRow(4, at(1)),
      decisionRow(5, { ...at(1), outcome: 'it\'s "so", {x}\\' }),
    ];
    await createDashboardSink({ pool }).deliver(deliveryOf(rows), never());
    const [first, second] = [new Date(1_759_999_980_000), new Date(1_760_000_040_000)];
    expect(await minutes()).toEqual([
      { minute: first, outcome: 'approve', model_version: '4', decisions: 1, degraded: 0, late: 1 },
      { minute: second, outcome: 'approve', model_version: '4', decisions: 2, degraded: 1, late: 0 },
      { minute: second, outcome: 'approve', model_version: '5', decisions: 1, degraded: 0, late: 0 },
      { minute: second, outcome: 'block', model_version: '4', decisions: 1, degraded: 0, late: 1 },
      { minute: second, outcome: 'it\'s "so", {x}\\', model_version: '4', decisions: 1, degraded: 0, late: 0 },
    ]);
  });

  it('counts together what is the same once Postgres can store it', async () => {
    await createDashboardSink({ pool }).deliver(
      deliveryOf([decisionRow(0, { outcome: 'a\0' }), decisionRow(1, { outcome: 'a\uFFFD' })]),
      never(),
    );
    expect(await minutes()).toMatchObject([{ outcome: 'a\uFFFD', decisions: 2 }]);
  });

  it('counts right when many deliveries, some of them twice, run at the same time over the same minutes', async () => {
    const sink = createDashboardSink({ pool });
    const parts = (offset: number) => ({
      eventTimeMs: 1_760_000_000_000 + (offset % 7) * 60_000,
      outcome: offset % 2 ? 'approve' : 'review',
    });
    const deliveries = Array.from({ length: 12 }, (_, i) => deliveryOf(rowsOf(i * 100, 100, parts)));
    await Promise.all([...deliveries, ...deliveries.toReversed()].map((delivery) => sink.deliver(delivery, never())));
    const { rows: counted } = await pool.query(
      `select date_trunc('minute', event_time, 'UTC') as minute, outcome, model_version, count(*)::int as decisions, 0 as degraded, 0 as late
       from decisions group by 1, 2, 3 order by 1, 2, 3`,
    );
    expect(await minutes()).toEqual(counted);
    expect(counted.reduce((sum, row) => sum + (row as { decisions: number }).decisions, 0)).toBe(1_200);
  });

  it('keeps rows whose texts Postgres cannot hold', async () => {
    const odd = decisionRow(1, {
      eventId: 'a\u0000b',
      entities: { customer: '\uD800' },
      event: { note: 'x\u0000y\uDC00', __proto__x: 1 },
    });
    await createDashboardSink({ pool }).deliver(deliveryOf([decisionRow(0), odd]), never());
    const { rows } = await pool.query('select event_id, entities, event from decisions where kafka_offset = 1');
    expect(rows).toEqual([
      { event_id: 'a\uFFFDb', entities: { customer: '\uFFFD' }, event: { note: 'x\uFFFDy\uFFFD', __proto__x: 1 } },
    ]);
  });

  it.each([
    ['a time that Postgres has no date for', { eventTimeMs: -8.6e15 }, /SQLSTATE 22008/],
    ['no time', { eventTimeMs: Number.NaN }, /a time is no number/],
    [
      'an event id that no index holds',
      { eventId: Array.from({ length: 2_000 }, (_, i) => (i * 7_919).toString(36)).join() },
      /SQLSTATE 54000/,
    ],
    [
      'an event that is no JSON',
      {
        event: {
          note: {
            toJSON() {
              throw new Error('secret');
            },
          },
        },
      },
      /^(?!.*secret).*cannot be written as columns: Error$/,
    ],
  ])('blames the row for %s, writes none of the delivery, and says no value', async (_, parts, reason) => {
    const sink = createDashboardSink({ pool });
    const failure = sink.deliver(deliveryOf([decisionRow(0), decisionRow(1, parts)]), never());
    await expect(failure).rejects.toMatchObject({ code: 'SINK_REFUSED_ROW', message: expect.stringMatching(reason) });
    expect(await keys()).toEqual([]);
    expect(await minutes()).toEqual([]);
    await sink.deliver(deliveryOf([decisionRow(0)]), never());
    expect(await keys()).toHaveLength(1);
  });

  it('blames nobody for a database that fails, and works again when it is back', async () => {
    const sink = createDashboardSink({ pool });
    await pool.query('alter table decision_minutes rename to gone');
    try {
      await expect(sink.deliver(deliveryOf([decisionRow(0)]), never())).rejects.toMatchObject({
        code: 'SINK_WRONG',
        message: expect.stringContaining('SQLSTATE 42P01'),
      });
    } finally {
      await pool.query('alter table gone rename to decision_minutes');
    }
    await sink.deliver(deliveryOf([decisionRow(0)]), never());
    expect(await keys()).toHaveLength(1);
  });

  it('stops waiting when its signal aborts, and a second call has the effect once', async () => {
    const own = await createPool(url, { max: 4, applicationName: 'test' });
    const blocker = await own.connect();
    try {
      const sink = createDashboardSink({ pool: own });
      await sink.deliver(deliveryOf([decisionRow(100)]), never());
      await blocker.query('begin');
      await blocker.query('lock table decisions in exclusive mode');
      const controller = new AbortController();
      const delivery = sink.deliver(deliveryOf([decisionRow(0)]), controller.signal);
      controller.abort(new Error('too late'));
      await expect(delivery).rejects.toMatchObject({
        code: 'SINK_UNAVAILABLE',
        message: expect.stringContaining('too late'),
      });
      const again = sink.deliver(deliveryOf([decisionRow(0)]), never());
      await blocker.query('rollback');
      await again;
      expect(await keys()).toHaveLength(2);
      expect(await minutes()).toMatchObject([{ decisions: 2 }]);
    } finally {
      blocker.release(true);
      await own.end();
    }
  });
});
