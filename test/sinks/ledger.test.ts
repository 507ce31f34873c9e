import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pool } from '../../database/pool.ts';
import { createLedgerSink } from '../../sinks/ledger.ts';
import { openDatabase } from '../database/open.ts';
import { chain, decisionRow, deliveryOf } from './rows.ts';

const signal = () => new AbortController().signal;

describe('range ledger', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
  }, 180_000);
  afterAll(() => pool?.end());

  it('keeps each range of a batch once, also of one without rows', async () => {
    const { batch, ...delivery } = deliveryOf([decisionRow(4)]);
    const sink = createLedgerSink({ pool });
    const ranges = [
      { partition: 3, position: 5, end: 12, count: 3 },
      { partition: 4, position: 0, end: 2, count: 2, first: true as const },
    ];
    const empty = { ...delivery, batch: { ...batch, sequence: batch.sequence + 1, ranges }, rows: [] };
    for (const each of [{ ...delivery, batch }, empty, { ...delivery, batch }, empty])
      await sink.deliver(each, signal());
    const { rows } = await pool.query<object>(
      `select deployment, pipeline, epoch, topic, layout, chain, first_sequence::int as sequence, partition, position::int, "end"::int as end, count::int
       from batch_ranges join partitions on id = partition_id order by partition, position`,
    );
    expect(rows).toEqual([
      { ...chain, sequence: 4, partition: 3, position: 4, end: 5, count: 1 },
      { ...chain, sequence: 5, partition: 3, position: 5, end: 12, count: 3 },
      { ...chain, sequence: 5, partition: 4, position: 0, end: 2, count: 2 },
    ]);
  });

  it('asks for another try when Postgres is away or refuses, and never blames a row', async () => {
    const away = { query: () => Promise.reject(new Error('connection refused')) } as unknown as Pool;
    await expect(
      createLedgerSink({ pool: away }).deliver(deliveryOf([decisionRow(0)]), signal()),
    ).rejects.toMatchObject({
      code: 'SINK_UNAVAILABLE',
      message: expect.stringContaining('the range ledger cannot be written: connection refused'),
    });
    const { batch, ...delivery } = deliveryOf([decisionRow(0)]);
    const impossible = { ...delivery, batch: { ...batch, ranges: [{ ...batch.ranges[0]!, end: 0 }] } };
    await expect(createLedgerSink({ pool }).deliver(impossible, signal())).rejects.toMatchObject({
      code: 'SINK_WRONG',
      message: expect.stringContaining('SQLSTATE 23514'),
    });
  });

  it('stops waiting when the signal aborts', async () => {
    const stop = new AbortController();
    const silent = { query: () => new Promise(() => {}) } as unknown as Pool;
    const delivering = createLedgerSink({ pool: silent }).deliver(deliveryOf([decisionRow(0)]), stop.signal);
    stop.abort(new Error('the worker stops'));
    await expect(delivering).rejects.toThrow('the worker stops');
  });
});
