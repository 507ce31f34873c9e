import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { encodeHeaders, textHeader } from '../../contracts/record-headers.ts';
import { planRollUps } from '../../lake/plan.ts';
import { rollUp } from '../../lake/roll-up.ts';
import { keys, LakeRig, orders } from './lake-rig.ts';

const nineMs = Date.UTC(2026, 0, 2, 9, 30);
const hourMs = 3_600_000;

describe('Parquet of the lake, read by DuckDB', () => {
  let lake: LakeRig;
  beforeEach(async () => {
    lake = await LakeRig.open();
  });
  afterEach(() => lake.close());

  it('has every part of a decision in a typed column, exactly', async () => {
    const event = z.object({
      text: z.string(),
      amount: z.number(),
      chip: z.boolean(),
      at: z.coerce.date(),
      items: z.array(z.object({ sku: z.string() })),
      maybe: z.number().optional(),
      kind: z.enum(['a', 'b']),
      id: z.string(),
      either: z.union([z.string(), z.number()]),
      parsed: z.string().transform(Number).pipe(z.number()),
    });
    const value = {
      text: 'naïve "q"',
      amount: 0.1,
      chip: true,
      at: new Date(nineMs + 1),
      items: [{ sku: 'x' }],
      kind: 'b',
      id: 'i1',
      either: 3,
      parsed: 7,
    };
    await lake.deliver(0, 2, {
      pipeline: { name: 'orders', event } as unknown as AnyPipeline,
      row: (offset) => ({
        event: offset === 0 ? value : { ...value, maybe: 2.5, either: 's' },
        eventTimeMs: nineMs,
        degraded: offset === 1,
        late: offset === 0,
      }),
    });
    await lake.rollUpAll();
    const described = await lake.query('describe select * from lake');
    const types = Object.fromEntries(described.map(({ column_name, column_type }) => [column_name, column_type]));
    expect(types).toEqual({
      event_key: 'VARCHAR',
      event_id: 'VARCHAR',
      event_time: 'TIMESTAMP',
      record_time: 'TIMESTAMP',
      deployment: 'VARCHAR',
      epoch: 'INTEGER',
      topic: 'VARCHAR',
      record_headers: 'VARCHAR',
      partition: 'INTEGER',
      offset: 'BIGINT',
      workflow_id: 'VARCHAR',
      outcome: 'VARCHAR',
      why: 'VARCHAR',
      model_name: 'VARCHAR',
      model_version: 'VARCHAR',
      degraded: 'BOOLEAN',
      late: 'BOOLEAN',
      entity_customer: 'VARCHAR',
      entity_shop: 'VARCHAR',
      feature_amount: 'FLOAT',
      feature_customer_count_1d: 'FLOAT',
      prediction_score: 'FLOAT',
      prediction_parts: 'FLOAT[]',
      field_text: 'VARCHAR',
      field_amount: 'DOUBLE',
      field_chip: 'BOOLEAN',
      field_at: 'TIMESTAMP',
      field_items: 'VARCHAR',
      field_maybe: 'DOUBLE',
      field_kind: 'VARCHAR',
      field_id: 'VARCHAR',
      field_either: 'VARCHAR',
      field_parsed: 'DOUBLE',
      pipeline: 'VARCHAR',
      date: 'DATE',
      hour: expect.any(String),
    });
    const [first, second] = await lake.query('select * from lake order by "offset"');
    expect(first).toMatchObject({
      event_key: 'local:orders:0:orders:0:0',
      event_id: 'order-0',
      event_time: '2026-01-02 09:30:00',
      record_time: '2025-10-09 08:53:20.5',
      deployment: 'local',
      epoch: 0,
      topic: 'orders',
      partition: 0,
      offset: '0',
      workflow_id: 'batch:local:orders:0:orders:0.0:0',
      outcome: 'approve',
      why: 'score below 0.9',
      model_name: 'orders',
      model_version: '4',
      degraded: false,
      late: true,
      entity_customer: 'customer-0',
      entity_shop: 'shop "1"',
      feature_amount: 12.5,
      feature_customer_count_1d: Math.fround(0.1),
      prediction_score: Math.fround(0.7),
      prediction_parts: [1, 2],
      field_text: 'naïve "q"',
      field_amount: 0.1,
      field_chip: true,
      field_at: '2026-01-02 09:30:00.001',
      field_items: '[{"sku":"x"}]',
      field_maybe: null,
      field_kind: 'b',
      field_id: 'i1',
      field_either: '3',
      field_parsed: 7,
      pipeline: 'orders',
      date: '2026-01-02',
    });
    expect(second).toMatchObject({ degraded: true, late: false, field_maybe: 2.5, field_either: '"s"' });
    expect(
      (await lake.query(`select count(*)::int as n from lake where hour::int = 9 and date = '2026-01-02'`))[0],
    ).toEqual({ n: 2 });
  });

  it('keeps the headers of records as JSON, bytes that are no text in base64, and has no record time for a record without one', async () => {
    const headers = encodeHeaders([
      textHeader('a', 'one'),
      textHeader('a', null),
      textHeader('__proto__', ''),
      [Buffer.from([0xff]), Buffer.from([0, 0xc0, 0x80])],
    ]);
    await lake.deliver(0, 2, {
      row: (offset) => ({ eventTimeMs: nineMs, ...(offset === 0 ? { headers } : { recordTimeMs: undefined }) }),
    });
    await lake.rollUpAll();
    const [first, second] = await lake.query('select record_headers, record_time from lake order by "offset"');
    expect(JSON.parse(first!['record_headers'] as string)).toEqual([
      { name: 'a', value: 'one' },
      { name: 'a', value: null },
      { name: '__proto__', value: '' },
      { nameBase64: '/w==', valueBase64: 'AMCA' },
    ]);
    expect(first!['record_time']).toBe('2025-10-09 08:53:20.5');
    expect(second).toEqual({ record_headers: null, record_time: null });
    const values = await lake.query(
      `select header.value from (select unnest(from_json(record_headers, '[{"name":"VARCHAR","value":"VARCHAR"}]')) as header from lake) where header.name = 'a'`,
    );
    expect(values).toEqual([{ value: 'one' }, { value: null }]);
  });

  it('has bounds for times and offsets alone, numbers the texts that repeat, and writes the numbers of the model as they are', async () => {
    await lake.deliver(0, 300, {
      row: (offset) => ({
        eventTimeMs: nineMs,
        event: { orderId: `o${offset}`, amount: offset, note: `note ${offset % 3}` },
      }),
    });
    await lake.rollUpAll();
    const columns = await lake.columns();
    expect(
      columns
        .filter(({ bounded }) => bounded)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['event_time', 'offset', 'record_time']);
    const withEncoding = (encoding: RegExp, names: string[]) =>
      columns
        .filter((column) => names.includes(column.name) && encoding.test(column.encodings))
        .map(({ name }) => name);
    const repeated = ['deployment', 'topic', 'workflow_id', 'outcome', 'why', 'model_name', 'model_version'];
    expect(withEncoding(/RLE_DICTIONARY/, repeated)).toEqual(repeated);
    // Whether texts of the pipeline's own repeat, they say themselves.
    expect(withEncoding(/RLE_DICTIONARY/, ['entity_customer', 'entity_shop', 'field_note', 'field_orderId'])).toEqual([
      'entity_customer',
      'entity_shop',
      'field_note',
    ]);
    const plain = [
      'event_key',
      'feature_amount',
      'feature_customer_count_1d',
      'prediction_score',
      'prediction_parts, list, element',
    ];
    expect(withEncoding(/^PLAIN$/, plain)).toEqual(plain);
  });

  it('puts each row under the hour of its event time, and answers sums like the rows that came', async () => {
    const timeOf = (offset: number) => nineMs + (offset % 3) * hourMs;
    for (const partition of [0, 1])
      await lake.deliver(0, 300, {
        partition,
        row: (offset) => ({ eventTimeMs: timeOf(offset), event: { orderId: 'o', amount: offset / 4, note: '' } }),
      });
    await lake.rollUpAll();
    expect(await lake.files()).toEqual(
      [9, 10, 11].map((hour) =>
        expect.stringMatching(
          new RegExp(
            `^pipeline=orders/date=2026-01-02/hour=${String(hour).padStart(2, '0')}/0-orders-0-0\\.2\\.[0-9a-f]{16}\\.parquet$`,
          ),
        ),
      ),
    );
    expect(
      await lake.query(
        'select hour::int as hour, count(*)::int as rows, count(distinct event_key)::int as keys, sum(field_amount) as amount, max(event_time)::varchar as last from lake group by all order by hour',
      ),
    ).toEqual(
      [0, 1, 2].map((third) => ({
        hour: 9 + third,
        rows: 200,
        keys: 200,
        amount: 2 * Array.from({ length: 100 }, (_, i) => (3 * i + third) / 4).reduce((a, b) => a + b),
        last: `2026-01-02 ${String(9 + third).padStart(2, '0')}:30:00`,
      })),
    );
    expect(await lake.segments()).toEqual([]);
  });

  it('keeps schemas apart when the pipeline changes, and fields that the schema does not name', async () => {
    await lake.deliver(0, 3);
    await lake.deliver(3, 5, {
      pipeline: { ...orders, event: z.looseObject({ orderId: z.string(), vip: z.boolean() }) } as AnyPipeline,
      row: () => ({ event: { orderId: 'o', vip: true, extra: { deep: 1 } } }),
    });
    await lake.rollUpAll();
    expect(await lake.files()).toHaveLength(2);
    expect(
      await lake.query('select "offset"::int as o, field_amount, field_vip, other_fields from lake order by o'),
    ).toEqual([
      ...[0, 1, 2].map((o) => ({ o, field_amount: 12.5, field_vip: null, other_fields: null })),
      ...[3, 4].map((o) => ({ o, field_amount: null, field_vip: true, other_fields: '{"extra":{"deep":1}}' })),
    ]);
  });

  it('reads several pipelines together', async () => {
    await lake.deliver(0, 2);
    await lake.deliver(0, 3, {
      pipeline: { name: 'visits', event: z.object({ page: z.string() }) } as unknown as AnyPipeline,
      row: () => ({ event: { page: '/' } }),
    });
    await lake.rollUpAll();
    expect(
      await lake.query(
        'select pipeline, count(*)::int as n, max(field_page) as page from lake group by all order by pipeline',
      ),
    ).toEqual([
      { pipeline: 'orders', n: 2, page: null },
      { pipeline: 'visits', n: 3, page: '/' },
    ]);
  });

  it('does large roll-ups in a thread, with the same files', async () => {
    const fill = async (rig: LakeRig) => {
      for (let position = 0; position < 12_000; position += 2_000) await rig.deliver(position, position + 2_000);
    };
    await fill(lake);
    const parquetSteps: string[] = [];
    const onStep = (step: string, path: string) => path.endsWith('.parquet') && parquetSteps.push(step);
    await lake.rollUpAll({}, { threadRowsMin: 10_000, onStep });
    expect(parquetSteps, 'steps of this thread').toEqual([]);
    expect(await lake.visible()).toEqual(keys(0, 12_000));
    const inline = await LakeRig.open();
    try {
      await fill(inline);
      await inline.rollUpAll({}, { threadRowsMin: Infinity, onStep });
      expect(parquetSteps).not.toEqual([]);
      expect(await inline.files()).toEqual(await lake.files());
      for (const path of await lake.files())
        expect(readFileSync(join(lake.root, path)).equals(readFileSync(join(inline.root, path)))).toBe(true);
    } finally {
      await inline.close();
    }
  });

  it('goes on with a new thread after one that failed', async () => {
    await lake.deliver(0, 6_000);
    const { plans } = await planRollUps({ root: lake.root });
    const [segment] = await lake.segments();
    const path = join(lake.root, segment!);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, 100));
    await expect(rollUp({ root: lake.root }, plans[0]!)).rejects.toThrow('was cut or changed');
    writeFileSync(path, bytes);
    await lake.deliver(6_000, 12_000);
    // The first plan, and with the same thread the second.
    await lake.rollUpAll();
    expect(await lake.visible()).toEqual(keys(0, 12_000));
  });

  it('leaves a cancelled roll-up to the next one', async () => {
    await lake.deliver(0, 6_000);
    const { plans } = await planRollUps({ root: lake.root });
    const controller = new AbortController();
    // By the time that this is carried out, the thread has its work.
    const onStep = (step: string) => step === 'thread' && setImmediate(() => controller.abort(new Error('cancelled')));
    await expect(rollUp({ root: lake.root, signal: controller.signal, onStep }, plans[0]!)).rejects.toThrow(
      'cancelled',
    );
    expect(await lake.files(), 'the thread was ended, and not only left alone').toEqual([]);
    expect(await lake.segments()).toHaveLength(1);
    await lake.rollUpAll();
    expect(await lake.visible()).toEqual(keys(0, 6_000));
  });
});
