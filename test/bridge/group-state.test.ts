import { describe, expect, test } from 'vitest';
import { decodeCommitMetadata } from '../../bridge/commit-metadata.ts';
import { GroupState } from '../../bridge/group-state.ts';
import type { LedgerEnd } from '../../bridge/ledger-ends.ts';
import type { Commit } from '../../kafka/source.ts';
import { committedAs, topic } from './chain-rig.ts';
import { FakeSource, FakeStarter } from './fakes.ts';

const none: Commit = { offset: null, metadata: null };
const at = (offset: number, metadata: Parameters<typeof committedAs>[0] = {}): Commit => ({
  offset,
  metadata: committedAs(metadata),
});

/** A topic whose partitions hold these logs, a group with these commits, and a ledger with these ranges. */
function groupOf(
  commits: Commit[],
  {
    logs = [
      { start: 3, end: 10 },
      { start: 0, end: 20 },
    ],
    ledger = new Map<number, LedgerEnd>(),
    chains = 1,
    epoch = 0,
    newestEpoch = undefined as number | undefined,
  } = {},
) {
  const source = new FakeSource(logs.length);
  logs.forEach((log, partition) => (source.partitions[partition]!.log = log));
  commits.forEach((commit, partition) => (source.partitions[partition]!.stored = commit));
  const starter = new FakeStarter();
  const told: string[] = [];
  const group = (startAt = 'latest') =>
    new GroupState(
      {
        source,
        starter,
        ledgerEnds: () => Promise.resolve(ledger),
        newestEpoch: () => Promise.resolve(newestEpoch),
        log: { error: (message) => void told.push(message) },
      },
      { topic: { ...topic, epoch }, chains, startAt },
    );
  return { source, starter, group, told };
}

describe('where a partition begins that no batch and no commit knows', () => {
  test('on a new topic, "latest" commits the ends of all partitions in one request, however many ask', async () => {
    const { source, group } = groupOf([none, none]);
    const asked = group();
    expect(await Promise.all([asked.firstPosition(0), asked.firstPosition(1)])).toEqual([10, 20]);
    const metadata = committedAs({ first: true });
    expect(source.requests).toEqual([
      [
        { partition: 0, offset: 10, metadata },
        { partition: 1, offset: 20, metadata },
      ],
    ]);
  });

  test('on a new topic, a time is looked up in each partition', async () => {
    const { source, group } = groupOf([none, none]);
    source.offsetAt = (partition) => Promise.resolve(partition + 7);
    expect(await group('2026-01-01T00:00:00Z').firstPosition(1)).toBe(8);
    expect(source.requests[0]!.map(({ offset }) => offset)).toEqual([7, 8]);
  });

  test.each(['latest', '2026-01-01T00:00:00Z'])(
    'one that was added later begins at its earliest record, also with "%s"',
    async (startAt) => {
      const { source, group } = groupOf([at(5), none]);
      expect(await group(startAt).firstPosition(1)).toBe(0);
      expect(source.requests).toEqual([]);
    },
  );

  test.each([
    ['the runs', { layout: 0, chains: 1 }, undefined],
    ['the ledger', undefined, { end: 4, layout: 0, sequence: 2 }],
  ])(
    'it begins at its earliest record when Kafka has forgotten all commits and only %s know the topic',
    async (_, layout, end) => {
      const { source, starter, group } = groupOf([none, none], { ledger: new Map(end ? [[1, end]] : []) });
      starter.layout = layout;
      expect(await group().firstPosition(0)).toBe(3);
      expect(source.requests).toEqual([]);
    },
  );

  test('an assignment that stood still while its successor began the topic does not take that for a topic of long ago', async () => {
    const { source, starter, group } = groupOf([none, none]);
    const stale = group();
    await stale.layout();
    starter.layout = { layout: 0, chains: 1 };
    expect(await stale.firstPosition(0)).toBe(10);
    expect(source.requests).toHaveLength(1);
  });

  test('a commit that kafkajs has replaced by its default counts as well', async () => {
    const { group } = groupOf([{ offset: -2, metadata: null }, none]);
    expect(await group().firstPosition(1)).toBe(0);
  });

  test('a request that fails begins nothing, and is made again', async () => {
    const { source, group } = groupOf([none, none]);
    const { commitAll } = source;
    source.commitAll = () => Promise.reject(new Error('no coordinator'));
    const asked = group();
    await expect(asked.firstPosition(0)).rejects.toThrow('no coordinator');
    source.commitAll = commitAll;
    expect(await asked.firstPosition(0)).toBe(10);
    expect(source.requests).toHaveLength(1);
  });

  test('"earliest" asks for nothing but the log, and waits for the leader of no other partition', async () => {
    const { source, group } = groupOf([none, none]);
    source.committed = () => Promise.reject(new Error('not to be asked'));
    source.partitions[1]!.log = new Error('its leader is away');
    const asked = group('earliest');
    expect(await asked.firstPosition(0)).toBe(3);
    await expect(asked.firstPosition(1)).rejects.toThrow('its leader is away');
    expect(source.requests).toEqual([]);
  });

  test('"latest" waits for all leaders: no partition may begin without the others', async () => {
    const { source, group } = groupOf([none, none]);
    source.partitions[1]!.log = new Error('its leader is away');
    await expect(group().firstPosition(0)).rejects.toThrow('its leader is away');
    expect(source.requests).toEqual([]);
  });
});

describe('the layout of a topic', () => {
  test('is 0 for a new one, and is committed with the first positions', async () => {
    const { source, group } = groupOf([none], { chains: 1 });
    const asked = group();
    expect(await asked.layout()).toBe(0);
    await asked.firstPosition(0);
    expect(decodeCommitMetadata(source.stored.metadata)).toMatchObject({ layout: 0, chains: 1 });
  });

  test('is the newest that is committed; what was committed in an older one is not trusted', async () => {
    const { group } = groupOf([at(5, { layout: 1, chains: 2, sequence: 9 }), at(8, { layout: 2, sequence: 0 })]);
    const asked = group();
    expect(await asked.layout()).toBe(2);
    expect([...(await asked.trusted())]).toEqual([[1, { epoch: 0, layout: 2, chains: 1, sequence: 0, offset: 8 }]]);
  });

  test.each([
    ['listed', { layout: 3, chains: 1 }, 3],
    ['in the ledger', undefined, 4],
  ])('is the newest that is %s where nothing is committed', async (_, layout, expected) => {
    const { starter, group } = groupOf([none], { ledger: new Map([[0, { end: 4, layout: 4, sequence: 2 }]]) });
    starter.layout = layout;
    expect(await group().layout()).toBe(expected);
  });

  test.each([
    ['committed', at(5, { chains: 4 }), undefined],
    ['listed', none, { layout: 0, chains: 4 }],
  ])('with another number of chains, as %s, is one sentence for the operator', async (_, commit, layout) => {
    const { starter, group } = groupOf([commit], { chains: 2 });
    starter.layout = layout;
    await expect(group().layout()).rejects.toThrow(
      'the batches of t are in 4 chains, and the pipeline says 2: write chains: 4 into its topic, or stop the bridges and run headrace chains set 2 --pipeline p',
    );
    await expect(group().trusted()).rejects.toThrow('in 4 chains');
  });
});

describe('the epoch of a topic', () => {
  test('commits of an earlier one say nothing of where to go on, nor of how many chains there are', async () => {
    const { group } = groupOf([at(5, { chains: 4, layout: 7 }), at(8, { epoch: 1, sequence: 2 })], { epoch: 1 });
    const asked = group();
    expect(await asked.layout()).toBe(0);
    expect([...(await asked.trusted()).keys()]).toEqual([1]);
  });

  test('is the newest that the group has committed, where the bridge was given an earlier one', async () => {
    const asked = groupOf([at(5), at(8, { epoch: 2, layout: 3 })], { epoch: 1 }).group();
    expect(await asked.topic()).toEqual({ ...topic, epoch: 2 });
    expect(await asked.layout()).toBe(3);
    expect([...(await asked.trusted()).keys()]).toEqual([1]);
  });

  test('is the newest that the ledger knows, where the commits are gone', async () => {
    const { group } = groupOf([none, none], { newestEpoch: 4 });
    expect((await group().topic()).epoch).toBe(4);
    const raised = groupOf([none, none], { epoch: 5, newestEpoch: 4 });
    expect((await raised.group().topic()).epoch).toBe(5);
  });

  test('what was committed by others, or in an older layout, is not trusted; all of it is told once, in one sentence', async () => {
    const { group, told } = groupOf(
      [
        { offset: 5, metadata: null },
        { offset: 6, metadata: 'of somebody else' },
        at(7, { layout: 2 }),
        at(8, { layout: 1 }),
        none,
      ],
      { logs: Array.from({ length: 5 }, () => ({ start: 0, end: 20 })) },
    );
    const asked = group();
    for (const _ of [1, 2]) expect([...(await asked.trusted()).keys()]).toEqual([2]);
    expect(told).toEqual([
      'the commit of t, partition 0, 1, 3, is not used, because it is not that of a bridge in this epoch and layout: the partition goes on behind the last run of its chain, else behind the range ledger, else from its earliest record',
    ]);
  });
});
