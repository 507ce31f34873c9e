import { beforeEach, describe, expect, test } from 'vitest';
import { decodeCommitMetadata, recordHash } from '../../bridge/commit-metadata.ts';
import type { LastRun } from '../../temporal/starter.ts';
import { until } from '../live/wait.ts';
import { chainRig, committedAs, positionIs } from './chain-rig.ts';
import { fetchOf, recordAt, recordsAt } from './fakes.ts';

let rig: ReturnType<typeof chainRig>;

beforeEach(() => {
  rig = chainRig();
});

/** A run of partition 0 whose range is `[position, end)`. */
function runOf(
  position: number,
  end: number,
  { first = recordAt(position), ...more }: Partial<LastRun> & { first?: ReturnType<typeof recordAt> } = {},
): LastRun {
  const mark = { offset: first.offset, hash: recordHash(first) };
  return {
    sequence: 4,
    isScored: true,
    startId: 'the last',
    chains: 1,
    ranges: [{ partition: 0, position, end, count: end - position, mark }],
    positions: { 0: end },
    ...more,
  };
}

const committed = () => rig.source.commits.map(({ offset, metadata }) => [offset, decodeCommitMetadata(metadata)]);

describe('where a chain begins', () => {
  test('it commits its first position before anything is started, and marks the first range of a partition', async () => {
    const { source, starter, running } = rig;
    source.log = { start: 7, end: 20 };
    const chain = await running();
    expect(committed()).toEqual([[7, { epoch: 0, layout: 0, chains: 1, first: true }]]);
    chain.fetched(fetchOf(7, [recordAt(7)]));
    await positionIs(chain, 8);
    chain.fetched(fetchOf(8, [recordAt(8)]));
    await positionIs(chain, 9);
    expect(starter.starts.map(({ sequence, ranges, positions }) => ({ sequence, ranges, positions }))).toMatchObject([
      { sequence: 0, ranges: [{ partition: 0, position: 7, end: 8, first: true }], positions: { 0: 8 } },
      { sequence: 1, ranges: [{ partition: 0, position: 8, end: 9 }], positions: { 0: 9 } },
    ]);
    expect(starter.starts[1]!.ranges[0]).not.toHaveProperty('first');
    expect(starter.starts[1]!.after).toBe('batch:d:p:0:t:0.0:0');
  });

  test('it goes on from its own commit when all runs are gone, and checks the record before it', async () => {
    const last = recordAt(9);
    const tail = { offset: 9, hash: recordHash(last) };
    rig.source.stored = { offset: 10, metadata: committedAs({ sequence: 6, tail }) };
    const chain = await rig.running();
    expect(rig.source.seeks).toEqual([9]);
    expect(chain.fetched(fetchOf(9, [last, recordAt(10)]))).toBe(true);
    await positionIs(chain, 11);
    expect(rig.starter.starts).toMatchObject([{ sequence: 7, ranges: [{ position: 10, end: 11 }] }]);
    expect(rig.starter.starts[0]!.ranges[0]).not.toHaveProperty('first');
  });

  test('it halts when another record stands where the last one was', async () => {
    const tail = { offset: 9, hash: recordHash(recordAt(9)) };
    rig.source.stored = { offset: 10, metadata: committedAs({ sequence: 6, tail }) };
    const chain = await rig.running();
    chain.fetched(fetchOf(9, [recordAt(9, 'another topic'), recordAt(10)]));
    expect(rig.reports.events).toMatchObject([
      { what: 'halted', detail: expect.stringContaining('recreated') as string },
    ]);
    expect(chain.fetched(fetchOf(10, [recordAt(10)]))).toBe(false);
    expect(rig.starter.starts).toEqual([]);
  });

  test('it does not trust a commit that is not its own: the partition is walked again from the log start', async () => {
    rig.source.stored = { offset: 15, metadata: null };
    rig.source.log = { start: 2, end: 20 };
    expect((await rig.running({ startAt: 'latest' })).position()).toBe(2);
  });

  test('it goes on behind the last run when the commit was deleted, wherever a new topic would begin', async () => {
    rig.source.log = { start: 2, end: 90 };
    rig.starter.last = runOf(9, 12);
    const chain = await rig.running({ startAt: 'latest' });
    const tail = { offset: 9, hash: recordHash(recordAt(9)) };
    expect(committed()).toEqual([[12, { epoch: 0, layout: 0, chains: 1, sequence: 4, tail }]]);
    chain.fetched(fetchOf(9, recordsAt(9, 16)));
    await positionIs(chain, 16);
    expect(rig.starter.starts).toMatchObject([{ sequence: 5, after: 'the last', ranges: [{ position: 12, end: 16 }] }]);
  });

  test('a run that is not known to be scored comes again under its own number, and the chain goes on where that one ends', async () => {
    rig.starter.last = runOf(12, 15, { isScored: false });
    rig.starter.startedBefore(4, [{ partition: 0, position: 12, end: 15, count: 3 }]);
    const chain = await rig.running();
    expect(committed().at(-1)).toEqual([12, expect.objectContaining({ sequence: 3 })]);
    chain.fetched(fetchOf(12, recordsAt(12, 16)));
    await positionIs(chain, 16);
    expect(rig.starter.starts.map(({ sequence, ranges }) => [sequence, ranges[0]!.position])).toEqual([
      [4, 12],
      [5, 15],
    ]);
  });

  test('a topic that was made again while the group was deleted halts, also when the bridge crashed before it saw that', async () => {
    const { source, starter, reports, running } = rig;
    const first = recordAt(13);
    const other = { ...first, timestampMs: first.timestampMs + 1 };
    starter.last = runOf(12, 15, { first });
    const chain = await running();
    expect(source.seeks.at(-1)).toBe(13);
    chain.fetched(fetchOf(13, [other, recordAt(14)]));
    expect(reports.events).toMatchObject([
      {
        what: 'halted',
        detail: expect.stringMatching(
          /the topic was recreated.* headrace epoch bump --pipeline \S+ --start earliest --partition 0 /,
        ) as string,
      },
    ]);
    await chain.abandon();
    // The run is gone; the commit still has its mark.
    starter.last = undefined;
    source.stored = source.commits.at(-1)!;
    const again = await running();
    again.fetched(fetchOf(13, [recordAt(14)]));
    again.fetched(fetchOf(13, [other]));
    expect(starter.starts).toEqual([]);
    await again.abandon();
    const same = await running();
    same.fetched(fetchOf(13, [first, recordAt(14), recordAt(15)]));
    await positionIs(same, 16);
    expect(starter.starts[0]!.ranges).toMatchObject([
      { position: 15, mark: { offset: 15, hash: recordHash(recordAt(15)) } },
    ]);
  });

  test('what retention deleted behind a chain whose commit is not its own is reported', async () => {
    rig.source.stored = { offset: -2, metadata: null };
    rig.source.log = { start: 40, end: 90 };
    rig.starter.last = runOf(9, 12);
    await rig.running();
    expect(rig.reports.events).toContainEqual({ what: 'lost', partition: 0, detail: { from: 12, to: 40 } });
  });

  test('a first position is believed only while no batch was started', async () => {
    rig.source.stored = { offset: 5, metadata: committedAs({ first: true }) };
    const chain = await rig.running();
    expect(chain.position()).toBe(5);
    await chain.abandon();
    rig.starter.last = runOf(9, 10, { isScored: false });
    expect((await rig.running()).position()).toBe(9);
  });
});

describe('the record that a chain checks before it goes on', () => {
  const tail = { offset: 9, hash: recordHash(recordAt(9)) };
  const cut = expect.stringMatching(
    /truncated or recreated.* headrace epoch bump --pipeline \S+ --start earliest --partition 0 /,
  ) as string;
  beforeEach(() => {
    rig.source.stored = { offset: 10, metadata: committedAs({ sequence: 6, tail }) };
  });

  test('is not looked for below the log start, where retention deleted it', async () => {
    rig.source.log = { start: 10, end: 100 };
    const chain = await rig.running();
    expect(rig.source.seeks).toEqual([10]);
    expect(chain.fetched(fetchOf(10, [recordAt(10)]))).toBe(true);
    await positionIs(chain, 11);
  });

  test('a position that retention has passed is a loss, and the commit keeps what it says', async () => {
    rig.source.log = { start: 40, end: 100 };
    const chain = await rig.running();
    expect(rig.source.seeks).toEqual([40]);
    expect(rig.reports.events).toContainEqual({ what: 'lost', partition: 0, detail: { from: 10, to: 40 } });
    for (const [offset, metadata] of committed())
      expect([offset, metadata]).toEqual([10, { epoch: 0, layout: 0, chains: 1, sequence: 6, tail }]);
    chain.fetched(fetchOf(40, [recordAt(40)]));
    await positionIs(chain, 41);
    expect(rig.starter.ranges).toEqual([[10, 41]]);
  });

  test('never sends the consumer behind the end of the log: it halts', async () => {
    rig.source.log = { start: 0, end: 5 };
    const chain = rig.createChain();
    void chain.chain.run(rig.groupState());
    await until('halted', () => chain.standing().waiting.kind === 'halted', { everyMs: 1 });
    expect(rig.reports.events).toMatchObject([{ what: 'halted', detail: cut }]);
    expect(rig.source.seeks).toEqual([]);
    await chain.abandon();
  });

  test('a fetch that does not cover it is asked for once more, then the record counts as gone', async () => {
    const { source, reports, running } = rig;
    const chain = await running();
    expect(chain.fetched(fetchOf(10, [recordAt(10)]))).toBe(false);
    expect(source.seeks).toEqual([9, 9]);
    expect(chain.fetched(fetchOf(9, [recordAt(9, 'another'), recordAt(10)]))).toBe(false);
    expect(reports.events).toMatchObject([{ what: 'halted' }]);
    await chain.abandon();

    source.seeks = [];
    const second = await running();
    expect(second.fetched(fetchOf(10, [recordAt(10)]))).toBe(false);
    expect(second.fetched(fetchOf(10, [recordAt(10)]))).toBe(true);
    await positionIs(second, 11);
  });
});
