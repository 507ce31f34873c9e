import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verify, type VerifyOptions } from '../../cli/verify-report.ts';
import { verifyText } from '../../cli/verify-text.ts';
import type { BatchRun } from '../../contracts/batch-runs.ts';
import { encodeCommitMetadata, type CommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import { batchWorkflowId, type BatchRef, type TopicRef } from '../../contracts/event-key.ts';
import type { Pool } from '../../database/pool.ts';
import { createRangeWriter } from '../../ledger/ranges.ts';
import { openDatabase } from '../database/open.ts';
import { uniqueName } from '../stack/live.ts';

let pool: Pool;
beforeAll(async () => {
  ({ pool } = await openDatabase());
}, 180_000);
afterAll(() => pool?.end());

const newTopic = (): TopicRef => ({ deployment: uniqueName('d'), pipeline: 'orders', epoch: 1, topic: 'orders' });
/** One batch of a partition. */
const batch = (topic: TopicRef, position: number, end: number, partition = 0, sequence = 0): BatchRef => ({
  ...topic,
  layout: 0,
  chain: 0,
  sequence,
  ranges: [{ partition, position, end, count: end - position }],
});
const ours = (more: Partial<CommitMetadata> = {}) => encodeCommitMetadata({ epoch: 1, layout: 0, chains: 1, ...more });

interface World {
  /** By topic, what the one group has committed, partition by partition. */
  commits: Record<string, [partition: number, offset: number, metadata?: string][]>;
  /** By topic, the log of each partition, or why nothing is known of it. */
  logs: Record<string, ([low: number, high: number] | Error)[]>;
  /** Positions behind the only batch that Temporal has, of chain 0 with the number 4. */
  positions?: Record<number, number>;
  incomplete?: BatchRun[];
  unexamined?: boolean;
}

function check(topic: TopicRef, { commits, logs, positions, incomplete = [], unexamined = false }: World) {
  const { deployment } = topic;
  const admin = {
    fetchOffsets: async ({ groupId }: { groupId: string }) =>
      groupId === 'g.orders'
        ? Object.entries(commits).map(([topic, of]) => ({
            topic,
            partitions: of.map(([partition, offset, metadata = null]) => ({
              partition,
              offset: String(offset),
              metadata,
            })),
          }))
        : [],
    listTopics: async () => Object.keys(logs),
  } as VerifyOptions['kafka']['admin'];
  const ends = async (topic: string) =>
    new Map(
      logs[topic]!.map((each, partition) => [
        partition,
        each instanceof Error ? each : { start: each[0], end: each[1], highWatermark: each[1] },
      ]),
    );
  const runs: VerifyOptions['runs'] = {
    of: async (chain, sequence) =>
      positions && chain.chain === 0 && sequence === 4
        ? { ...runOf(topic.epoch, topic), chain, sequence, ranges: [], positions, status: 'RUNNING' }
        : undefined,
    incomplete: async (max, isMoot) => ({
      runs: incomplete.filter(({ chain }) => !isMoot(chain)).slice(0, max),
      more: false,
      unexamined,
    }),
    openSince: async () => ({ total: 0, runs: [] }),
  };
  return verify({
    deployment,
    epoch: 1,
    pipelines: ['orders', 'returns'],
    pool,
    runs,
    kafka: { admin, logs: { ends } },
    groupOf: (pipeline) => `g.${pipeline}`,
    overdueSeconds: 600,
  });
}

function runOf(epoch: number, topic: TopicRef): BatchRun {
  const chain = { ...topic, epoch, layout: 0, chain: 0 };
  return {
    workflowId: batchWorkflowId(chain, 0),
    runId: 'r',
    chain,
    sequence: 0,
    ranges: batch(topic, 0, 10).ranges,
    positions: { 0: 10 },
    status: 'TERMINATED',
    startedAtMs: 0,
  };
}

describe('verify', () => {
  it('tells what is committed of partitions without a batch, and takes only records that no batch has for an error', async () => {
    const topic = newTopic();
    await createRangeWriter(pool)(batch(topic, 0, 50));
    const commits: World['commits'] = {
      orders: [
        [0, 50, ours()],
        [1, 0, ours()],
        [2, 40, ours({ first: true })],
        [3, 30, ours()],
        [4, 60, ours({ epoch: 0 })],
        [5, 20, ours({ sequence: 4 })],
      ],
      gone: [[0, 70]],
    };
    const logs: World['logs'] = {
      orders: [
        [0, 90],
        [0, 90],
        [0, 90],
        [30, 90],
        [0, 90],
        [0, 90],
      ],
    };
    const sound = await check(topic, { commits, logs, positions: { 5: 20 } });
    expect(sound).toMatchObject({ ok: true, ledger: [{ committed: 50 }], without: ['returns'] });
    expect(sound.withoutBatch.map(({ topic, partition, committed }) => [topic, partition, committed])).toEqual([
      ['gone', 0, 70],
      ['orders', 1, 0],
      ['orders', 2, 40],
      ['orders', 3, 30],
      ['orders', 4, 60],
      ['orders', 5, 20],
    ]);
    expect(verifyText(sound)).toContain('  orders  orders-2  committed 40, no batch delivered yet\n');

    // Its run is gone, or says that it came less far.
    const lost = await check(topic, { commits, logs });
    expect((await check(topic, { commits, logs, positions: { 5: 19 } })).withoutBatch).toEqual(lost.withoutBatch);
    expect(lost.ok).toBe(false);
    expect(lost.withoutBatch.filter(({ unbatched }) => unbatched)).toEqual([
      { pipeline: 'orders', topic: 'orders', partition: 5, committed: 20, unbatched: { from: 0, to: 20 } },
    ]);
    expect(verifyText(lost)).toContain(
      'never started: offset 20 is committed, and neither the ledger nor Temporal has a batch of orders-5 (pipeline orders) up to it, so offsets 0 to 19 may be without effect.',
    );
  });

  it('finds commits also when the ledger has nothing at all, and those that are not ours', async () => {
    const lost = await check(newTopic(), {
      commits: {
        orders: [
          [0, 10],
          [1, 99],
        ],
      },
      logs: {
        orders: [
          [4, 20],
          [99, 99],
        ],
      },
    });
    expect(lost).toMatchObject({
      ok: false,
      ledger: [],
      withoutBatch: [{ partition: 0, unbatched: { from: 4, to: 10 } }, { partition: 1 }],
    });
    expect(lost.withoutBatch[1]).not.toHaveProperty('unbatched');
  });

  it('names partitions with records in which no bridge has begun, which is no error yet', async () => {
    const topic = newTopic();
    await createRangeWriter(pool)(batch(topic, 0, 5, 1));
    const report = await check(topic, {
      commits: {
        orders: [
          [0, 10, ours({ first: true })],
          [2, -1],
        ],
        gone: [[0, 3]],
      },
      logs: {
        orders: [
          [4, 10],
          [0, 5],
          [3, 1_503],
          [7, 7],
        ],
      },
    });
    expect(report.unread).toEqual([{ pipeline: 'orders', topic: 'orders', partition: 2, records: 1_500 }]);
    expect(report.ok).toBe(true);
    expect(verifyText(report)).toContain('  orders  orders-2  1,500 records, and no bridge has begun to read them\n');
  });

  it('tells of a partition whose leader is away that it could not be looked at, and of all others how they stand', async () => {
    const topic = newTopic();
    const away = new Error('partition 1 has no leader');
    const report = await check(topic, {
      commits: {
        orders: [
          [0, 10],
          [1, 10],
        ],
      },
      logs: { orders: [[0, 20], away, [0, 5]] },
    });
    expect(report.withoutBatch).toMatchObject([{ partition: 0, unbatched: { from: 0, to: 10 } }, { partition: 1 }]);
    expect(report.unread).toMatchObject([{ partition: 2, records: 5 }]);
    expect(report.unknown).toEqual({ 'log of orders-1': 'partition 1 has no leader' });
    const sound = await check(topic, { commits: { orders: [[1, 10]] }, logs: { orders: [[0, 0], away] } });
    expect(sound).toMatchObject({ verdict: 'unknown', ok: false });
  });

  it('tells overlaps, and finds nothing wrong with them', async () => {
    const topic = newTopic();
    const add = createRangeWriter(pool);
    await add(batch(topic, 0, 10));
    await add(batch(topic, 5, 20, 0, 1));
    const report = await check(topic, { commits: { orders: [[0, 20]] }, logs: { orders: [[0, 20]] } });
    expect(report).toMatchObject({ ok: true, ledger: [{ overlaps: [{ from: 5, to: 10 }] }] });
    expect(verifyText(report)).toContain('overlap: two batches have offsets 5 to 9');
    expect(verifyText(report)).toContain('Every record up to these offsets is in a batch');
  });

  it('leaves out runs of an epoch that is over, and says when not all could be looked at', async () => {
    const topic = newTopic();
    await createRangeWriter(pool)(batch(topic, 0, 10));
    const run = (epoch: number) => runOf(epoch, topic);
    const world: World = { commits: {}, logs: {}, incomplete: [run(0)] };
    expect(await check(topic, world)).toMatchObject({ ok: true, incomplete: { runs: [] } });
    expect(await check(topic, { ...world, incomplete: [run(0), run(1)] })).toMatchObject({
      ok: false,
      incomplete: { runs: [{ chain: { epoch: 1 } }] },
    });
    const unexamined = await check(topic, { ...world, unexamined: true });
    expect(unexamined.ok).toBe(false);
    expect(verifyText(unexamined)).toContain('more runs have ended without completing than can be looked at');
    expect(verifyText(unexamined)).not.toContain('redrive --all');
  });
});
