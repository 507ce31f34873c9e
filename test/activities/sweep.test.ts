import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createSweepActivities, type SweepCounts } from '../../activities/sweep.ts';
import type { BatchRun, BatchRunsPort } from '../../contracts/batch-runs.ts';
import { batchWorkflowId, type PartitionRef } from '../../contracts/event-key.ts';
import type { Pool } from '../../database/pool.ts';
import { createRangeWriter } from '../../ledger/ranges.ts';
import { readLedger } from '../../ledger/read-ledger.ts';
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
  of: async () => undefined,
  incomplete: async () => ({ runs: [], more: false, unexamined: false }),
  openSince: async () => ({ total: 0, runs: [] }),
};

/** A partition of a deployment of its own, whose ranges came hours ago, each in a batch. */
async function oldPartition(...ranges: [position: number, end: number][]): Promise<PartitionRef> {
  const partition: PartitionRef = {
    deployment: uniqueName('d'),
    pipeline: 'orders',
    epoch: 2,
    topic: 'orders',
    partition: 0,
  };
  const add = createRangeWriter(pool);
  for (const [sequence, [position, end]] of ranges.entries())
    await add({ ...partition, layout: 0, chain: 0, sequence, ranges: [{ partition: 0, position, end, count: 1 }] });
  await pool.query(
    `update batch_ranges set at = now() - interval '2 hours' where partition_id = (select id from partitions where deployment = $1)`,
    [partition.deployment],
  );
  return partition;
}
const rowsOf = async ({ deployment }: PartitionRef) =>
  (
    await pool.query('select from batch_ranges join partitions on id = partition_id where deployment = $1', [
      deployment,
    ])
  ).rowCount;

function sweeper(
  { deployment }: PartitionRef,
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
  it.each(['incomplete', 'of'] as const)('merges the ledger also when Temporal does not answer (%s)', async (call) => {
    const partition = await oldPartition([0, 10], [10, 20], [20, 30], [40, 50], [35, 36]);
    const { sweep, counts } = sweeper(partition, { [call]: () => Promise.reject(new Error('deadline exceeded')) });
    await expect(sweep()).rejects.toThrow('deadline exceeded');
    expect(await rowsOf(partition)).toBe(3);
    expect(await readLedger(pool, partition.deployment)).toMatchObject([
      {
        batches: 5,
        holes: [
          { from: 30, to: 35 },
          { from: 36, to: 40 },
        ],
      },
    ]);
    expect(counts).toEqual([]);
  });

  it('counts holes that are too many to be looked up', async () => {
    const partition = await oldPartition(
      ...Array.from({ length: 231 }, (_, i): [number, number] => [i * 10, i * 10 + 5]),
    );
    const { sweep, counts } = sweeper(partition, {});
    expect(await sweep()).toMatchObject({ holes: { length: 20 }, moreHoles: 210, unexaminedIncomplete: false });
    expect(counts).toEqual([
      { orders: { incomplete: 0, holes: 230, overlaps: 0 }, returns: { incomplete: 0, holes: 0, overlaps: 0 } },
    ]);
  });

  it('asks for no batch of an epoch that is over', async () => {
    const partition = await oldPartition([0, 10]);
    const asked: boolean[] = [];
    const { sweep } = sweeper(partition, {
      incomplete: async (_, isMoot) => {
        asked.push(isMoot({ ...partition, epoch: 1 }), isMoot(partition));
        return { runs: [], more: false, unexamined: true };
      },
    });
    expect(await sweep()).toMatchObject({ moreIncomplete: false, unexaminedIncomplete: true });
    expect(asked).toEqual([true, false]);
  });

  it('adds completed batches that the ledger lacks, with all their ranges, and counts each once', async () => {
    const partition = await oldPartition([0, 10], [10, 20]);
    const { partition: _, ...topic } = partition;
    const chain = { ...topic, layout: 0, chain: 0 };
    const add = createRangeWriter(pool);
    const ranges = (of: number[], position: number) =>
      of.map((each) => ({ partition: each, position, end: position + 10, count: 1 }));
    await add({ ...chain, sequence: 0, ranges: ranges([1], 0) });
    await add({ ...chain, sequence: 4, ranges: ranges([0, 1], 30) });
    const asked: number[] = [];
    const completed = (sequence: number): BatchRun => ({
      workflowId: batchWorkflowId(chain, sequence),
      runId: 'r',
      chain,
      sequence,
      ranges: sequence === 2 ? ranges([0], 20) : [...ranges([1], 10), ...ranges([2], 0)],
      positions: {},
      status: 'COMPLETED',
      startedAtMs: 0,
    });
    const { sweep, counts } = sweeper(partition, {
      of: async (__, sequence) => {
        asked.push(sequence);
        return sequence < 4 ? completed(sequence) : undefined;
      },
    });
    expect(await sweep()).toMatchObject({ partitions: 2, added: 2, holes: [{ partition: 1, from: 20, to: 30 }] });
    expect(asked.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    expect(counts).toMatchObject([{ orders: { holes: 1 } }]);
    expect(await readLedger(pool, partition.deployment)).toMatchObject([
      { partition: { partition: 0 }, batches: 4, holes: [] },
      { partition: { partition: 1 }, holes: [{ from: 20, to: 30 }] },
      { partition: { partition: 2 }, span: { from: 0, to: 10 } },
    ]);
  });

  it('deletes what lake and dashboard hold for longer than they should, of its own deployment', async () => {
    const lake = await LakeRig.open();
    onTestFinished(() => lake.close());
    const partition = await oldPartition([0, 10]);
    const { deployment } = partition;
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
      `insert into decision_minutes select d, 'orders', now() - interval '2 hours', o, '1', 1, 0, 0, now() - make_interval(hours => h)
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

    await sweeper(partition, {}, { lakeRoot: lake.root }).sweep();
    expect([(await keys()).length, (await lake.files()).length]).toEqual([4, 1]);
    const warned: string[] = [];
    const context = { log: { warn: (text: string) => void warned.push(text) } } as unknown as Context;
    const { sweep } = sweeper(partition, {}, { lakeRoot: lake.root, retentionHours: 1 });
    // The lake is another deployment's. That hides nothing of what the sweep has found.
    expect(await asyncLocalStorage.run(context, sweep)).toMatchObject({ partitions: 1 });
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
    expect(await sweep()).toMatchObject({ partitions: 1 });
    expect(await lake.files()).toEqual([]);
  });
});
