import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchRange, BatchRef, PartitionRef, TopicRef } from '../../contracts/event-key.ts';
import { createPool, type Pool } from '../../database/pool.ts';
import { createRangeWriter, mergeOldRanges, type AddRanges } from '../../ledger/ranges.ts';
import { findPartitionEnds, readLedger } from '../../ledger/read-ledger.ts';
import { createDatabase, startLiveServers, uniqueName } from '../stack/live.ts';
import { openDatabase } from '../database/open.ts';
import { ledgerPartition } from './ledger-rig.ts';

let pool: Pool;
let add: AddRanges;
beforeAll(async () => {
  ({ pool } = await openDatabase());
  add = createRangeWriter(pool);
}, 180_000);
afterAll(() => pool?.end());

/** A topic of a deployment of its own. */
const newTopic = (more: Partial<TopicRef> = {}): TopicRef => ({
  deployment: uniqueName('d'),
  pipeline: 'orders',
  epoch: 0,
  topic: 'orders',
  ...more,
});
type Span = [position: number, end: number];
const range = (partition: number, [position, end]: Span): BatchRange => ({
  partition,
  position,
  end,
  count: end - position,
});
const batch = (topic: TopicRef, sequence: number, ranges: BatchRange[], layout = 0): BatchRef => ({
  ...topic,
  layout,
  chain: 0,
  sequence,
  ranges,
});
/** One batch for each, numbered from there on. */
const addAll = async ({ partition, ...topic }: PartitionRef, spans: readonly Span[], { from = 0, layout = 0 } = {}) => {
  for (const [i, span] of spans.entries()) await add(batch(topic, from + i, [range(partition, span)], layout));
};
/** The same in one statement. */
const addMany = async ({ partition, ...topic }: PartitionRef, spans: readonly Span[]) => {
  await addAll({ ...topic, partition }, [spans[0]!]);
  await pool.query(
    `insert into batch_ranges (partition_id, position, "end", count, layout, chain, first_sequence, last_sequence)
     select id, position, "end", 1, 0, 0, number - 1, number - 1
     from partitions, unnest($3::int8[], $4::int8[]) with ordinality as row (position, "end", number) where deployment = $1 and partition = $2 on conflict do nothing`,
    [topic.deployment, partition, spans.map(([position]) => position), spans.map(([, end]) => end)],
  );
};
const rowsOf = async ({ deployment }: TopicRef) =>
  (
    await pool.query<{ partition: number; position: number; end: number; batches: number; sequences: string }>(
      `select partition, position::int, "end"::int as end, batches::int, layout || ':' || first_sequence || '-' || last_sequence as sequences
       from batch_ranges join partitions on id = partition_id where deployment = $1 order by partition, position, "end", layout`,
      [deployment],
    )
  ).rows;
const makeOld = ({ deployment }: TopicRef, below: number) =>
  pool.query(
    `update batch_ranges set at = now() - interval '2 hours' where "end" <= $2 and partition_id in (select id from partitions where deployment = $1)`,
    [deployment, below],
  );

describe('the range ledger', () => {
  it('reads each partition as one span with its holes, the batches around them, and its overlaps', async () => {
    const topic = newTopic();
    await addAll({ ...topic, partition: 0 }, [
      [0, 10],
      [10, 25],
      [30, 40],
      [35, 50],
      [50, 60],
    ]);
    await add(batch(topic, 9, [range(1, [7, 9])], 2));
    expect(await readLedger(pool, topic.deployment)).toEqual([
      ledgerPartition(
        { ...topic, partition: 0 },
        {
          span: { from: 0, to: 60 },
          last: { layout: 0, chain: 0, sequence: 4 },
          batches: 5,
          records: 60,
          holes: [
            {
              from: 25,
              to: 30,
              before: { layout: 0, chain: 0, sequence: 1 },
              behind: { layout: 0, chain: 0, sequence: 2 },
            },
          ],
          overlaps: [{ from: 35, to: 40 }],
        },
      ),
      ledgerPartition(
        { ...topic, partition: 1 },
        { span: { from: 7, to: 9 }, last: { layout: 2, chain: 0, sequence: 9 }, records: 2 },
      ),
    ]);
  });

  it('writes all ranges of a batch; a repeat, also at the same moment and from another worker, adds nothing', async () => {
    const topic = newTopic();
    const both = batch(topic, 4, [range(0, [0, 10]), range(3, [5, 8])]);
    const other = createRangeWriter(pool);
    await Promise.all([add, other, add, other].map((write) => write(both)));
    expect(await rowsOf(topic)).toEqual([
      { partition: 0, position: 0, end: 10, batches: 1, sequences: '0:4-4' },
      { partition: 3, position: 5, end: 8, batches: 1, sequences: '0:4-4' },
    ]);
  });

  it('tells a repeat from another batch that had the same offsets', async () => {
    const topic = newTopic();
    for (const sequence of [4, 9]) await add(batch(topic, sequence, [range(0, [0, 10])]));
    expect(await readLedger(pool, topic.deployment)).toMatchObject([{ batches: 2, overlaps: [{ from: 0, to: 10 }] }]);
  });

  it('reads only the newest epoch of a topic', async () => {
    const topic = newTopic();
    await addAll({ ...topic, partition: 0 }, [
      [0, 10],
      [20, 30],
    ]);
    await addAll({ ...topic, epoch: 1, partition: 0 }, [[0, 5]]);
    const ledger = await readLedger(pool, topic.deployment);
    expect(ledger.map(({ partition: { epoch }, holes }) => ({ epoch, holes }))).toEqual([{ epoch: 1, holes: [] }]);
  });

  it('hides no hole behind overlaps, nor one partition behind another, and says how many it leaves out', async () => {
    const topic = newTopic();
    // 1,500 overlaps come before the first hole.
    const overlapping = Array.from({ length: 1_501 }, (_, i): Span => [i * 10, i * 10 + 15]);
    const apart = Array.from({ length: 251 }, (_, i): Span => [20_000 + i * 10, 20_000 + i * 10 + 5]);
    for (const partition of [0, 1]) await addMany({ ...topic, partition }, [...overlapping, ...apart]);
    await addMany({ ...topic, partition: 2 }, [
      [0, 10],
      [12, 20],
    ]);
    const [first, second, third] = await readLedger(pool, topic.deployment);
    for (const each of [first!, second!]) {
      expect(each).toMatchObject({
        holes: { length: 200 },
        moreHoles: 51,
        overlaps: { length: 200 },
        moreOverlaps: 1_300,
      });
      expect(each.holes.slice(0, 2)).toMatchObject([
        { from: 15_015, to: 20_000, before: { sequence: 1_500 }, behind: { sequence: 1_501 } },
        { from: 20_005, to: 20_010, before: { sequence: 1_501 }, behind: { sequence: 1_502 } },
      ]);
      expect(each.overlaps[0]).toEqual({ from: 10, to: 15 });
    }
    expect(third).toMatchObject({ holes: [{ from: 10, to: 12 }], moreHoles: 0, overlaps: [], moreOverlaps: 0 });
  });

  it('says where the partitions of a topic end, and the highest batch of each', async () => {
    const topic = newTopic();
    expect(await findPartitionEnds(pool, topic)).toEqual(new Map());
    await addAll({ ...topic, partition: 0 }, [
      [0, 10],
      [30, 40],
    ]);
    // Read again under later numbers, and not to the end yet.
    await addAll({ ...topic, partition: 0 }, [[0, 5]], { from: 7 });
    await addAll({ ...topic, partition: 2 }, [[3, 4]], { from: 50 });
    await addAll({ ...topic, partition: 2 }, [[4, 6]], { from: 1, layout: 3 });
    await addAll({ ...topic, epoch: 1, partition: 2 }, [[0, 1]]);
    expect(await findPartitionEnds(pool, topic)).toEqual(
      new Map([
        [0, { end: 40, layout: 0, chain: 0, sequence: 7 }],
        [2, { end: 6, layout: 3, chain: 0, sequence: 1 }],
      ]),
    );
  });

  it('has nothing in a database that no worker has seen yet', async () => {
    const { postgres } = await startLiveServers({ postgres: true });
    const empty = await createPool(await createDatabase(postgres.databaseUrl), { max: 1, applicationName: 'test' });
    try {
      expect(await findPartitionEnds(empty, newTopic())).toEqual(new Map());
      await expect(readLedger(empty, 'local')).rejects.toThrow(
        'the database has no range ledger: no worker has made its tables there yet',
      );
    } finally {
      await empty.end();
    }
  });

  it('merges old rows that touch, and knows what they stood for', async () => {
    const topic = newTopic();
    const partition = { ...topic, partition: 0 };
    await addAll(partition, [
      [0, 10],
      [10, 20],
      [20, 30],
      [40, 50],
      [50, 60],
      [60, 70],
    ]);
    await makeOld(topic, 60);
    expect(await mergeOldRanges(pool, 3_600)).toBeGreaterThanOrEqual(3);
    expect(await rowsOf(topic)).toEqual([
      { partition: 0, position: 0, end: 30, batches: 3, sequences: '0:0-2' },
      { partition: 0, position: 40, end: 60, batches: 2, sequences: '0:3-4' },
      { partition: 0, position: 60, end: 70, batches: 1, sequences: '0:5-5' },
    ]);
    expect(await readLedger(pool, topic.deployment)).toMatchObject([
      {
        span: { from: 0, to: 70 },
        batches: 6,
        records: 60,
        holes: [{ from: 30, to: 40, before: { sequence: 2 }, behind: { sequence: 3 } }],
        overlaps: [],
      },
    ]);
    // A delivery that is repeated an hour later, and one that has come late.
    await add(batch(topic, 1, [range(0, [10, 20])]));
    await add(batch(topic, 6, [range(0, [30, 40])]));
    await makeOld(topic, 100);
    await mergeOldRanges(pool, 3_600);
    expect(await rowsOf(topic)).toEqual([{ partition: 0, position: 0, end: 70, batches: 7, sequences: '0:0-6' }]);
    expect(await mergeOldRanges(pool, 3_600)).toBe(0);
  });

  it('leaves the rows of two layouts apart', async () => {
    const topic = newTopic();
    const partition = { ...topic, partition: 0 };
    await addAll(
      partition,
      [
        [0, 10],
        [10, 20],
      ],
      { from: 8 },
    );
    await addAll(
      partition,
      [
        [20, 30],
        [30, 40],
      ],
      { layout: 1 },
    );
    await makeOld(topic, 100);
    await mergeOldRanges(pool, 3_600);
    expect((await rowsOf(topic)).map(({ sequences }) => sequences)).toEqual(['0:8-9', '1:0-1']);
    // The same offsets, which another layout has: another batch.
    await add(batch(topic, 5, [range(0, [0, 10])], 1));
    expect(await readLedger(pool, topic.deployment)).toMatchObject([
      { batches: 5, holes: [], overlaps: [{ from: 0, to: 10 }] },
    ]);
  });

  it('remembers overlaps as a number when it merges them', async () => {
    const topic = newTopic();
    await addAll({ ...topic, partition: 0 }, [
      [0, 10],
      [0, 4],
      [4, 12],
    ]);
    await makeOld(topic, 100);
    await mergeOldRanges(pool, 3_600);
    expect(await readLedger(pool, topic.deployment)).toMatchObject([
      { span: { from: 0, to: 12 }, batches: 3, doubled: 10, overlaps: [] },
    ]);
  });

  it('loses nothing when two merge at the same time', async () => {
    const topic = newTopic();
    await addAll(
      { ...topic, partition: 0 },
      Array.from({ length: 200 }, (_, i): Span => [i * 10, i * 10 + 10]),
    );
    await makeOld(topic, 1_500);
    await Promise.all([mergeOldRanges(pool, 3_600), mergeOldRanges(pool, 3_600)]);
    expect(await readLedger(pool, topic.deployment)).toMatchObject([
      { span: { from: 0, to: 2_000 }, batches: 200, records: 2_000, holes: [], overlaps: [] },
    ]);
    expect(await rowsOf(topic)).toHaveLength(51);
  });
});
