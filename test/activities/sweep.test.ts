import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createSweepActivities, type SweepCounts } from '../../activities/sweep.ts';
import type { BatchRunsPort } from '../../contracts/batch-runs.ts';
import type { Chain } from '../../contracts/event-key.ts';
import type { Pool } from '../../database/pool.ts';
import { createRangeWriter, readLedger } from '../../ledger/ranges.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import { LakeRig } from '../lake/lake-rig.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';
import { uniqueName } from '../stack/live.ts';
import { openDatabase } from '../database/open.ts';

let pool: Pool;
beforeAll(async () => {
  ({ pool } = await openDatabase());
}, 180_000);
afterAll(() => pool?.end());

const nothing: BatchRunsPort = {
  at: async () => undefined,
  hasAny: async () => false,
  incomplete: async () => ({ runs: [], more: false, unexamined: false }),
  openSince: async () => ({ total: 0, runs: [] }),
};

/** A chain of a deployment of its own, whose ranges came hours ago. */
async function oldChain(...ranges: [position: number, end: number][]): Promise<Chain> {
  const chain: Chain = { deployment: uniqueName('d'), pipeline: 'orders', epoch: 2, topic: 'orders', partition: 0 };
  const add = createRangeWriter(pool);
  for (const [position, end] of ranges) await add(chain, { position, end, count: 1 });
  await pool.query(
    `update batch_ranges set at = now() - interval '2 hours' where chain = (select id from chains where deployment = $1)`,
    [chain.deployment],
  );
  return chain;
}
const rowsOf = async ({ deployment }: Chain) =>
  (await pool.query('select from batch_ranges join chains on id = chain where deployment = $1', [deployment])).rowCount;

function sweeper(
  { deployment }: Chain,
  runs: Partial<BatchRunsPort>,
  forgetting: { retentionHours?: number; lakeRoot?: string } = {},
) {
  const counts: Record<string, SweepCounts>[] = [];
  const activities = createSweepActivities({
    pool,
    deployment,
    pipelines: ['orders', 'returns'],
    runs: { ...nothing, ...runs },
    lakeRoot: '/nowhere',
    onSwept: (found) => void counts.push(Object.fromEntries(found)),
    ...forgetting,
  });
  return { sweep: () => activities.sweepChains(), counts };
}

describe('the sweep', () => {
  it.each(['incomplete', 'at'] as const)('merges the ledger also when Temporal does not answer (%s)', async (call) => {
    const chain = await oldChain([0, 10], [10, 20], [20, 30], [40, 50]);
    const { sweep, counts } = sweeper(chain, { [call]: () => Promise.reject(new Error('deadline exceeded')) });
    await expect(sweep()).rejects.toThrow('deadline exceeded');
    expect(await rowsOf(chain)).toBe(2);
    expect(await readLedger(pool, chain.deployment)).toMatchObject([{ batches: 4, holes: [{ from: 30, to: 40 }] }]);
    expect(counts).toEqual([]);
  });

  it('counts holes that are too many to be looked up', async () => {
    const chain = await oldChain(...Array.from({ length: 231 }, (_, i): [number, number] => [i * 10, i * 10 + 5]));
    const { sweep, counts } = sweeper(chain, {});
    expect(await sweep()).toMatchObject({ holes: { length: 20 }, moreHoles: 210, unexaminedIncomplete: false });
    expect(counts).toEqual([
      { orders: { incomplete: 0, holes: 230, overlaps: 0 }, returns: { incomplete: 0, holes: 0, overlaps: 0 } },
    ]);
  });

  it('asks for no batch of an epoch that is over', async () => {
    const chain = await oldChain([0, 10]);
    const asked: boolean[] = [];
    const { sweep } = sweeper(chain, {
      incomplete: async (_, isMoot) => {
        asked.push(isMoot({ ...chain, epoch: 1 }), isMoot(chain));
        return { runs: [], more: false, unexamined: true };
      },
    });
    expect(await sweep()).toMatchObject({ moreIncomplete: false, unexaminedIncomplete: true });
    expect(asked).toEqual([true, false]);
  });

  it('deletes what lake and dashboard hold for longer than they should, of its own deployment', async () => {
    const lake = await LakeRig.open();
    onTestFinished(() => lake.close());
    const chain = await oldChain([0, 10]);
    const { deployment } = chain;
    const rows = [0, 1, 2].map((offset) =>
      decisionRow(offset, { eventKey: `${deployment}:orders:0:orders:3:${offset}` }),
    );
    const stranger = decisionRow(0, { eventKey: `${deployment}2:orders:0:orders:3:0` });
    await createDashboardSink({ pool }).deliver(deliveryOf([...rows, stranger]), new AbortController().signal);
    await pool.query(`update decisions set decided_at = now() - interval '2 hours' where event_key <> all($1)`, [
      [rows[2]!.eventKey],
    ]);
    // Counts of minutes: one that was counted in long ago, one that was counted in again since, and a stranger's.
    await pool.query(
      `insert into decision_minutes select d, 'orders', now(), o, '1', 1, 0, 0, now() - make_interval(hours => h)
       from (values ($1, 'old', 2), ($1, 'new', 0), ($1 || '2', 'old', 2)) as minute (d, o, h)`,
      [deployment],
    );
    await lake.deliver(0, 3);
    await lake.rollUpAll();
    const past = new Date(Date.now() - 2 * 3_600_000);
    for (const file of await lake.files()) utimesSync(join(lake.root, file), past, past);
    const keys = async () =>
      (
        await pool.query<{ key: string }>(
          'select event_key as key from decisions where starts_with(event_key, $1) order by 1',
          [deployment],
        )
      ).rows.map(({ key }) => key);

    await sweeper(chain, {}, { lakeRoot: lake.root }).sweep();
    expect([(await keys()).length, (await lake.files()).length]).toEqual([4, 1]);
    const warned: string[] = [];
    const context = { log: { warn: (text: string) => void warned.push(text) } } as unknown as Context;
    const { sweep } = sweeper(chain, {}, { lakeRoot: lake.root, retentionHours: 1 });
    // The lake is another deployment's. That hides nothing of what the sweep has found.
    expect(await asyncLocalStorage.run(context, sweep)).toMatchObject({ chains: 1 });
    expect(warned).toEqual([expect.stringMatching(/^old decisions are not deleted: .*belongs to/)]);
    const { rows: minutes } = await pool.query(
      'select deployment, outcome from decision_minutes where starts_with(deployment, $1) order by 1',
      [deployment],
    );
    expect(minutes).toEqual([
      { deployment, outcome: 'new' },
      { deployment: `${deployment}2`, outcome: 'old' },
    ]);
    expect([await keys(), (await lake.files()).length]).toEqual([[rows[2]!.eventKey, stranger.eventKey].sort(), 1]);
    writeFileSync(join(lake.root, 'deployment'), deployment);
    expect(await sweep()).toMatchObject({ chains: 1 });
    expect(await lake.files()).toEqual([]);
  });
});
