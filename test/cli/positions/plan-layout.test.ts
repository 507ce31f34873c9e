import { describe, expect, it } from 'vitest';
import { planEpoch, wrongEpochPlan } from '../../../cli/positions/plan-epoch.ts';
import { chainsReport, chainsText } from '../../../cli/positions/chains-text.ts';
import { planLayout, refusalOf, wrongNumber } from '../../../cli/positions/plan-layout.ts';
import { readTopicState, type TopicSources } from '../../../cli/positions/topic-state.ts';
import type { ChainRef } from '../../../contracts/event-key.ts';
import {
  decodeCommitMetadata,
  encodeCommitMetadata,
  type CommitMetadata,
} from '../../../contracts/schemas/commit-metadata.ts';
import type { PartitionEnd } from '../../../contracts/partition-end.ts';
import type { ChainState } from '../../../status/follow-chain.ts';

const topic = { deployment: 'd', pipeline: 'orders', epoch: 0, topic: 'orders' };
const ours = (more: Partial<CommitMetadata> = {}) =>
  encodeCommitMetadata({ epoch: 0, layout: 2, chains: 2, sequence: 7, ...more });

interface World {
  commits: [offset: number, metadata: string | null][];
  /** By `<layout>.<chain>`. */
  chains?: Record<string, Partial<ChainState>>;
  ends?: Record<number, PartitionEnd>;
  members?: number;
  newestEpoch?: number;
}
const asked: string[] = [];

/** A topic whose partitions hold offsets 10 to 99. */
function read({ commits, chains = {}, ends = {}, members = 0, newestEpoch }: World) {
  asked.length = 0;
  const sources = {
    admin: {
      fetchOffsets: async () => [
        {
          topic: 'orders',
          partitions: commits.map(([offset, metadata], partition) => ({ partition, offset: String(offset), metadata })),
        },
      ],
      describeGroups: async () => ({ groups: [{ members: Array.from({ length: members }, () => ({})) }] }),
    },
    logs: { ends: async () => new Map(commits.map((_, i) => [i, { start: 10, end: 100, highWatermark: 100 }])) },
    newestEpoch: async () => newestEpoch,
    partitionEnds: async () => new Map(Object.entries(ends).map(([partition, end]) => [Number(partition), end])),
    follow: async ({ layout, chain, epoch }: ChainRef, scored: number | undefined): Promise<ChainState> => {
      asked.push(`${epoch}:${layout}.${chain}:${scored}`);
      return {
        positions: {},
        untouched: [],
        marks: {},
        ...(scored === undefined ? {} : { sequence: scored }),
        ...chains[`${layout}.${chain}`],
      };
    },
  };
  return readTopicState(topic, 'g', sources as unknown as TopicSources);
}
const committed = (commits: ReturnType<typeof planLayout>['commits']) =>
  [...commits].map(([partition, { offset, metadata }]) => [partition, offset, decodeCommitMetadata(metadata)]);

describe('a new layout', () => {
  it('keeps the position of each partition: by the last run of its chain, else by commits and the ledger', async () => {
    const tail = { offset: 49, hash: 'old' };
    const mark = { offset: 60, hash: 'new' };
    const state = await read({
      commits: [
        [50, ours({ tail })],
        [50, ours({ tail, sequence: 5 })],
        [50, ours({ tail, sequence: 8 })],
        [50, ours({ tail })],
        [20, ours({ first: true })],
        [-1, null],
        [-1, null],
        [-1, null],
        [-1, null],
      ],
      chains: { '2.0': { positions: { 0: 50, 2: 70, 4: 20, 6: 30, 8: 12 }, untouched: [4, 8], marks: { 2: mark } } },
      ends: { 1: { end: 60, layout: 2, chain: 1, sequence: 9 }, 3: { end: 40, layout: 1, chain: 0, sequence: 99 } },
    });
    expect(asked).toEqual(['0:2.0:8', '0:2.1:9']);
    const { layout, commits } = planLayout(state, 3);
    expect(layout).toBe(3);
    const next = { epoch: 0, layout: 3, chains: 3 };
    expect(committed(commits)).toEqual([
      [0, 50, { ...next, tail }],
      [1, 60, next],
      [2, 70, { ...next, tail: mark }],
      [3, 50, { ...next, tail }],
      [4, 20, { ...next, first: true }],
      [5, 10, { ...next, first: true }],
      [6, 30, next],
      [7, 10, { ...next, first: true }],
      [8, 12, { ...next, first: true }],
    ]);
  });

  it('begins behind the newest one, where a command before it has reached only some partitions', async () => {
    const state = await read({
      commits: [
        [50, ours()],
        [50, ours({ layout: 3, chains: 1, sequence: undefined })],
      ],
      chains: { '2.0': { positions: { 0: 55 } } },
    });
    expect(asked).toEqual(['0:2.0:7', '0:3.0:undefined']);
    const { layout, commits } = planLayout(state, 2);
    expect(layout).toBe(4);
    expect(committed(commits).map(([partition, offset]) => [partition, offset])).toEqual([
      [0, 55],
      [1, 50],
    ]);
  });

  it.each<[string, World, { workflowId: string; status: string }[], RegExp | undefined]>([
    ['nothing stands in its way', { commits: [[50, ours()]] }, [], undefined],
    [
      'bridges run',
      { commits: [[50, ours()]], members: 2 },
      [],
      /^the consumer group g has 2 members: stop all bridges/,
    ],
    [
      'somebody else committed',
      { commits: [[50, 'x']] },
      [],
      /committed of orders-0 does not come from a bridge.*start the bridges as they were/,
    ],
    ['nothing is begun', { commits: [[-1, null]] }, [], /^no bridge has committed anything of orders/],
    [
      'a batch is under way',
      { commits: [[50, ours()]], chains: { '2.0': { next: { workflowId: 'batch:8', status: 'RUNNING' } } } },
      [],
      /^batch:8 has not completed \(it is RUNNING\): leave the workers running, and wait/,
    ],
    [
      'a batch was ended',
      { commits: [[50, ours()]], chains: { '2.0': { next: { workflowId: 'batch:8', status: 'TERMINATED' } } } },
      [],
      /^batch:8 ended as TERMINATED.*npx headrace redrive batch:8$/,
    ],
    [
      'a scored batch waits for its sinks',
      { commits: [[50, ours()]] },
      [{ workflowId: 'batch:3', status: 'PAUSED' }],
      /^batch:3 has not completed \(it is PAUSED\)/,
    ],
    [
      'Temporal does not answer',
      { commits: [[50, ours()]], chains: { '2.0': { waiting: { kind: 'temporal', text: 'Temporal is away' } } } },
      [],
      /^it is not known where chain 2\.0 of orders ends: Temporal is away$/,
    ],
    [
      'commits are far behind',
      { commits: [[50, ours()]], chains: { '2.0': { more: true } } },
      [],
      /^it is not known where chain 2\.0 of orders ends: its commits are too far behind/,
    ],
  ])('says in one sentence why it cannot be, or that it can: %s', async (_, world, unfinished, says) => {
    const refusal = refusalOf(await read(world), unfinished);
    if (says) expect(refusal).toMatch(says);
    else expect(refusal).toBeUndefined();
  });

  it('has 1 to as many chains as partitions', async () => {
    const state = await read({
      commits: [
        [50, ours()],
        [50, ours()],
      ],
    });
    expect([0, 1, 2, 3].map((chains) => wrongNumber(chains, state))).toEqual([
      'orders has 2 partitions, so it can have 1 to 2 chains, and not 0',
      undefined,
      undefined,
      'orders has 2 partitions, so it can have 1 to 2 chains, and not 3',
    ]);
    const ofOne = { ...state, partitions: state.partitions.slice(0, 1) };
    expect(wrongNumber(2, ofOne)).toBe('orders has 1 partition, so it can have 1 chain, and not 2');
  });
});

describe('a new epoch', () => {
  const tail = { offset: 49, hash: 'old' };
  const plan = { layout: 0, chains: 1 };

  it('moves the named partitions, and leaves the others where they are; nothing of any is in a batch yet', async () => {
    const state = await read({
      commits: [
        [50, ours({ tail })],
        [50, ours({ tail })],
        [5_000, 'x'],
      ],
      chains: { '2.0': { positions: { 0: 55, 2: 60 } } },
    });
    const asEpoch = (partitions: number[], start: 'earliest' | 'latest' | number) => {
      const { epoch, commits } = planEpoch(state, { partitions, start, ...plan });
      expect(epoch).toBe(1);
      return committed(commits);
    };
    const next = { epoch: 1, layout: 2, chains: 2, first: true };
    expect(asEpoch([0, 2], 'earliest')).toEqual([
      [0, 10, next],
      [1, 50, { ...next, tail }],
      [2, 10, next],
    ]);
    expect(asEpoch([1], 'latest').map(([, offset]) => offset)).toEqual([55, 100, 60]);
    expect(asEpoch([1], 42).map(([, offset]) => offset)).toEqual([55, 42, 60]);
  });

  it('begins behind the newest epoch of the ledger, where nothing is committed any more', async () => {
    const state = await read({ commits: [[-1, null]], newestEpoch: 3 });
    const { epoch, commits } = planEpoch(state, { partitions: [0], start: 'earliest', layout: 0, chains: 1 });
    expect(epoch).toBe(4);
    expect(committed(commits)).toEqual([[0, 10, { epoch: 4, layout: 0, chains: 1, first: true }]]);
  });

  it('says in one sentence what cannot be', async () => {
    const state = await read({
      commits: [
        [50, ours()],
        [5_000, ours()],
      ],
    });
    const wrong = (partitions: number[], start: 'earliest' | number) => wrongEpochPlan(state, { partitions, start });
    expect(wrong([1], 'earliest')).toBeUndefined();
    expect(wrong([1, 7], 'earliest')).toBe('orders has no partition 7');
    expect(wrong([1], 9)).toBe('orders-1 holds offsets 10 to 100, so it cannot begin at 9');
    expect(wrong([1], 101)).toContain('so it cannot begin at 101');
    expect(wrong([0], 'earliest')).toBe(
      'orders-1 is at offset 5000, and its log ends at 100, so it cannot stay there: name it with --partition, too',
    );
  });
});

describe('headrace chains show', () => {
  it('shows each chain with its partitions, batches and lag', async () => {
    const state = await read({
      commits: Array.from({ length: 21 }, () => [90, ours()]),
      chains: {
        '2.0': {
          positions: { 0: 95 },
          next: { workflowId: 'batch:8', status: 'RUNNING' },
          waiting: { kind: 'scoring' },
        },
        '2.1': { waiting: { kind: 'temporal', text: 'Temporal is away' } },
      },
      members: 1,
    });
    const report = chainsReport(state);
    expect(report).toMatchObject({ layout: 2, chains: 2, members: 1, partitions: 21 });
    expect(report.list).toMatchObject([
      { chain: 0, sequence: 7, lag: 105, open: { workflowId: 'batch:8' } },
      { chain: 1, sequence: 7, lag: 100, open: null, waits: 'Temporal is away' },
    ]);
    expect(
      chainsText(report),
    ).toBe(`pipeline orders: orders, 21 partitions in 2 chains (layout 2), read by 1 member of its group
  chain  partitions                            last scored  lag  open batch
  2.0    0, 2, 4, 6, 8, 10, 12, 14 and 3 more  7            105  batch:8 is running
  2.1    1, 3, 5, 7, 9, 11, 13, 15 and 2 more  7            100  Temporal is away
`);
  });

  it('says so where nothing is begun', async () => {
    expect(chainsText(chainsReport(await read({ commits: [[-1, null]] })))).toContain('no bridge has begun it yet');
  });
});
