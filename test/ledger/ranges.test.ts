import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Chain } from '../../contracts/event-key.ts';
import { createPool, type Pool } from '../../database/pool.ts';
import { createRangeWriter, findChainEnd, mergeOldRanges, readLedger, type AddRange } from '../../ledger/ranges.ts';
import { createDatabase, startLiveServers, uniqueName } from '../stack/live.ts';
import { openDatabase } from '../database/open.ts';

let pool: Pool;
let add: AddRange;
beforeAll(async () => {
  ({ pool } = await openDatabase());
  add = createRangeWriter(pool);
}, 180_000);
afterAll(() => pool?.end());

/** A chain of a deployment of its own. */
const newChain = (more: Partial<Chain> = {}): Chain => ({
  deployment: uniqueName('d'),
  pipeline: 'orders',
  epoch: 0,
  topic: 'orders',
  partition: 0,
  ...more,
});
const addAll = async (chain: Chain, ...ranges: [position: number, end: number][]) => {
  for (const [position, end] of ranges) await add(chain, { position, end, count: end - position });
};
/** The same in one statement. */
const addMany = async (chain: Chain, ranges: readonly [position: number, end: number][]) => {
  await addAll(chain, ranges[0]!);
  await pool.query(
    `insert into batch_ranges (chain, position, "end", count)
     select id, position, "end", 1 from chains, unnest($3::int8[], $4::int8[]) as row (position, "end") where deployment = $1 and partition = $2 on conflict do nothing`,
    [chain.deployment, chain.partition, ranges.map(([position]) => position), ranges.map(([, end]) => end)],
  );
};
const rowsOf = async ({ deployment }: Chain) =>
  (
    await pool.query<{ position: number; end: number; batches: number }>(
      `select position::int, "end"::int as end, batches::int from batch_ranges join chains on id = chain where deployment = $1 order by partition, position`,
      [deployment],
    )
  ).rows;
const makeOld = ({ deployment }: Chain, below: number) =>
  pool.query(
    `update batch_ranges set at = now() - interval '2 hours' where "end" <= $2 and chain in (select id from chains where deployment = $1)`,
    [deployment, below],
  );

describe('the range ledger', () => {
  it('reads each chain as one span with its holes and overlaps', async () => {
    const chain = newChain();
    await addAll(chain, [0, 10], [10, 25], [30, 40], [35, 50], [50, 60]);
    await addAll({ ...chain, partition: 1 }, [7, 9]);
    expect(await readLedger(pool, chain.deployment)).toEqual([
      {
        chain,
        span: { from: 0, to: 60 },
        batches: 5,
        records: 60,
        doubled: 0,
        holes: [{ from: 25, to: 30 }],
        moreHoles: 0,
        overlaps: [{ from: 35, to: 40 }],
        moreOverlaps: 0,
      },
      {
        chain: { ...chain, partition: 1 },
        span: { from: 7, to: 9 },
        batches: 1,
        records: 2,
        doubled: 0,
        holes: [],
        moreHoles: 0,
        overlaps: [],
        moreOverlaps: 0,
      },
    ]);
  });

  it('takes a repeat as what it is, also at the same moment and from another worker', async () => {
    const chain = newChain();
    const other = createRangeWriter(pool);
    await Promise.all([add, other, add, other].map((write) => write(chain, { position: 0, end: 10, count: 8 })));
    expect(await rowsOf(chain)).toEqual([{ position: 0, end: 10, batches: 1 }]);
  });

  it('reads only the newest epoch of a topic', async () => {
    const chain = newChain();
    await addAll(chain, [0, 10], [20, 30]);
    await addAll({ ...chain, epoch: 1 }, [0, 5]);
    expect((await readLedger(pool, chain.deployment)).map(({ chain: { epoch }, holes }) => ({ epoch, holes }))).toEqual(
      [{ epoch: 1, holes: [] }],
    );
  });

  it('hides no hole behind overlaps, nor one chain behind another, and says how many it leaves out', async () => {
    const chain = newChain();
    // 1,500 overlaps come before the first hole.
    const overlapping = Array.from({ length: 1_501 }, (_, i): [number, number] => [i * 10, i * 10 + 15]);
    const apart = Array.from({ length: 251 }, (_, i): [number, number] => [20_000 + i * 10, 20_000 + i * 10 + 5]);
    for (const partition of [0, 1]) await addMany({ ...chain, partition }, [...overlapping, ...apart]);
    await addMany({ ...chain, partition: 2 }, [
      [0, 10],
      [12, 20],
    ]);
    const [first, second, third] = await readLedger(pool, chain.deployment);
    for (const each of [first!, second!]) {
      expect(each).toMatchObject({
        holes: { length: 200 },
        moreHoles: 51,
        overlaps: { length: 200 },
        moreOverlaps: 1_300,
      });
      expect(each.holes.slice(0, 2)).toEqual([
        { from: 15_015, to: 20_000 },
        { from: 20_005, to: 20_010 },
      ]);
      expect(each.overlaps[0]).toEqual({ from: 10, to: 15 });
    }
    expect(third).toMatchObject({ holes: [{ from: 10, to: 12 }], moreHoles: 0, overlaps: [], moreOverlaps: 0 });
  });

  it('says where a chain ends', async () => {
    const chain = newChain();
    expect(await findChainEnd(pool, chain)).toBeNull();
    await addAll(chain, [0, 10], [30, 40]);
    expect(await findChainEnd(pool, chain)).toBe(40);
    expect(await findChainEnd(pool, { ...chain, partition: 1 })).toBeNull();
  });

  it('has nothing in a database that no worker has seen yet', async () => {
    const { postgres } = await startLiveServers({ postgres: true });
    const empty = await createPool(await createDatabase(postgres.databaseUrl), { max: 1, applicationName: 'test' });
    try {
      expect(await findChainEnd(empty, newChain())).toBeNull();
      await expect(readLedger(empty, 'local')).rejects.toThrow(
        'the database has no range ledger: no worker has made its tables there yet',
      );
    } finally {
      await empty.end();
    }
  });

  it('merges old rows that touch, and knows what they stood for', async () => {
    const chain = newChain();
    await addAll(chain, [0, 10], [10, 20], [20, 30], [40, 50], [50, 60], [60, 70]);
    await makeOld(chain, 60);
    expect(await mergeOldRanges(pool, 3_600)).toBeGreaterThanOrEqual(3);
    expect(await rowsOf(chain)).toEqual([
      { position: 0, end: 30, batches: 3 },
      { position: 40, end: 60, batches: 2 },
      { position: 60, end: 70, batches: 1 },
    ]);
    expect(await readLedger(pool, chain.deployment)).toMatchObject([
      { span: { from: 0, to: 70 }, batches: 6, records: 60, holes: [{ from: 30, to: 40 }], overlaps: [] },
    ]);
    // A delivery that is repeated an hour later, and one that has come late.
    await addAll(chain, [10, 20], [30, 40]);
    await makeOld(chain, 100);
    await mergeOldRanges(pool, 3_600);
    expect(await rowsOf(chain)).toEqual([{ position: 0, end: 70, batches: 7 }]);
    expect(await mergeOldRanges(pool, 3_600)).toBe(0);
  });

  it('remembers overlaps as a number when it merges them', async () => {
    const chain = newChain();
    await addAll(chain, [0, 10], [0, 4], [4, 12]);
    await makeOld(chain, 100);
    await mergeOldRanges(pool, 3_600);
    expect(await readLedger(pool, chain.deployment)).toMatchObject([
      { span: { from: 0, to: 12 }, batches: 3, doubled: 10, overlaps: [] },
    ]);
  });

  it('loses nothing when two merge at the same time', async () => {
    const chain = newChain();
    await addAll(chain, ...Array.from({ length: 200 }, (_, i): [number, number] => [i * 10, i * 10 + 10]));
    await makeOld(chain, 1_500);
    await Promise.all([mergeOldRanges(pool, 3_600), mergeOldRanges(pool, 3_600)]);
    expect(await readLedger(pool, chain.deployment)).toMatchObject([
      { span: { from: 0, to: 2_000 }, batches: 200, records: 2_000, holes: [], overlaps: [] },
    ]);
    expect(await rowsOf(chain)).toHaveLength(51);
  });
});
