import { beforeEach, describe, expect, test } from 'vitest';
import { decodeCommitMetadata, encodeCommitMetadata, recordHash } from '../../bridge/commit-metadata.ts';
import { decodeRecords } from '../../contracts/records-frame.ts';
import { until } from '../live/wait.ts';
import { fetchOf, recordAt, type FakeSource, type FakeStarter, type recordingReports } from './fakes.ts';
import { chain, partitionRig, positionIs } from './partition-rig.ts';

let source: FakeSource;
let starter: FakeStarter;
let reports: ReturnType<typeof recordingReports>;
let createPartition: ReturnType<typeof partitionRig>['createPartition'];
let groupState: ReturnType<typeof partitionRig>['groupState'];
let running: ReturnType<typeof partitionRig>['running'];

beforeEach(() => {
  ({ source, starter, reports, createPartition, groupState, running } = partitionRig());
});

describe('a partition', () => {
  test('commits its first position before anything is started, and marks the first batch as the head', async () => {
    source.log = { start: 7, end: 20 };
    const partition = await running();
    expect(source.commits).toMatchObject([{ offset: 7 }]);
    expect(decodeCommitMetadata(source.commits[0]!.metadata)).toEqual({ epoch: 0, head: true });
    partition.fetched(fetchOf(7, [recordAt(7)]));
    await positionIs(partition, 8);
    partition.fetched(fetchOf(8, [recordAt(8)]));
    await positionIs(partition, 9);
    expect(starter.starts.map(({ position, head }) => [position, head])).toEqual([
      [7, true],
      [8, false],
    ]);
  });

  test('goes on from its own commit, and checks the record before it', async () => {
    const last = recordAt(9);
    source.stored = {
      offset: 10,
      metadata: encodeCommitMetadata({ epoch: 0, tail: { offset: 9, hash: recordHash(last) } }),
    };
    const partition = await running();
    expect(source.seeks).toEqual([9]);
    expect(partition.fetched(fetchOf(9, [last, recordAt(10)]))).toBe(true);
    await positionIs(partition, 11);
    expect(starter.starts).toMatchObject([{ position: 10, end: 11, head: false }]);
  });

  test('halts when another record stands where the last one was', async () => {
    source.stored = {
      offset: 10,
      metadata: encodeCommitMetadata({ epoch: 0, tail: { offset: 9, hash: recordHash(recordAt(9)) } }),
    };
    const partition = await running();
    partition.fetched(fetchOf(9, [recordAt(9, 'another topic'), recordAt(10)]));
    expect(reports.events).toMatchObject([
      { what: 'halted', detail: expect.stringContaining('HEADRACE_EPOCH') as string },
    ]);
    expect(partition.fetched(fetchOf(10, [recordAt(10)]))).toBe(false);
    expect(starter.starts).toEqual([]);
  });

  test('does not trust a commit that is not its own: the chain is walked again from the log start', async () => {
    source.stored = { offset: 15, metadata: null };
    source.log = { start: 2, end: 20 };
    const partition = await running({ startAt: 'latest' });
    expect(partition.position).toBe(2);
  });

  test('goes on at the last batch that was started when the commit was deleted, wherever a new chain would begin', async () => {
    source.log = { start: 2, end: 90 };
    starter.last = { position: 12, end: 15, head: false };
    starter.ends.set(12, 15);
    const partition = await running({ startAt: 'latest' });
    expect(source.commits.map(({ offset, metadata }) => [offset, decodeCommitMetadata(metadata)])).toEqual([
      [12, { epoch: 0 }],
    ]);
    partition.fetched(
      fetchOf(
        12,
        [12, 13, 14, 15].map((offset) => recordAt(offset)),
      ),
    );
    await positionIs(partition, 16);
    expect(starter.starts.map(({ position, head }) => [position, head])).toEqual([
      [12, false],
      [15, false],
    ]);
  });

  test('a topic that was made again while the group was deleted halts, also when the bridge crashed before it saw that', async () => {
    source.log = { start: 0, end: 90 };
    const first = recordAt(13);
    starter.last = { position: 12, end: 15, head: false, first: { offset: 13, hash: recordHash(first) } };
    const partition = await running();
    expect(source.seeks.at(-1)).toBe(12);
    partition.fetched(fetchOf(12, [recordAt(12), { ...first, timestampMs: first.timestampMs + 1 }, recordAt(14)]));
    expect(reports.events).toMatchObject([
      { what: 'halted', detail: expect.stringContaining('the topic was recreated') as string },
    ]);
    expect(starter.starts).toEqual([]);
    await partition.abandon();
    source.stored = source.commits.at(-1)!;
    const again = await running();
    again.fetched(fetchOf(12, [recordAt(14)]));
    again.fetched(fetchOf(12, [{ ...first, timestampMs: first.timestampMs + 1 }]));
    expect(starter.starts).toEqual([]);
    await again.abandon();
    const same = await running();
    same.fetched(fetchOf(12, [first, recordAt(14)]));
    await positionIs(same, 15);
    expect(starter.starts[0]).toMatchObject({ position: 12, first: { offset: 13, hash: recordHash(first) } });
  });

  test('what retention deleted behind a chain whose commit is not its own is reported', async () => {
    source.stored = { offset: -2, metadata: null };
    source.log = { start: 40, end: 90 };
    starter.last = { position: 12, end: 15, head: true };
    await running();
    expect(reports.events).toContainEqual({ what: 'lost', detail: { from: 12, to: 40 } });
  });

  test('a first position is believed only while no batch was started', async () => {
    source.stored = { offset: 5, metadata: encodeCommitMetadata({ epoch: 0, head: true }) };
    const partition = await running();
    expect(partition.position).toBe(5);
    await partition.abandon();
    starter.last = { position: 9, end: 10, head: true };
    expect((await running()).position).toBe(9);
  });

  test('adopts the end of the run that exists, shorter or longer than its own cut', async () => {
    starter.ends.set(0, 2);
    starter.ends.set(2, 9);
    const partition = await running();
    partition.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3].map((offset) => recordAt(offset)),
      ),
    );
    await positionIs(partition, 9);
    expect(source.seeks.at(-1)).toBe(9);
    expect(source.commits.map(({ offset }) => offset)).toEqual([0, 2, 9]);
    partition.fetched(fetchOf(9, [recordAt(9)]));
    await positionIs(partition, 10);
  });

  test('asks again with the same range when the answer is unknown, and commits nothing meanwhile', async () => {
    let lost = true;
    starter.answer = () => (lost ? { kind: 'unknown', reason: 'lost reply' } : undefined);
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('third try', () => starter.starts.length >= 3, { everyMs: 1 });
    expect(source.commits).toHaveLength(1);
    lost = false;
    await positionIs(partition, 1);
    expect(new Set(starter.starts.map(({ position, end }) => `${position}-${end}`))).toEqual(new Set(['0-1']));
  });

  test('stands still before a run that ended without completing, and goes on when it was re-driven', async () => {
    let blocked = true;
    starter.answer = () => (blocked ? { kind: 'blocked', reason: 'terminated' } : undefined);
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('halted', () => reports.events.some(({ what }) => what === 'halted'), { everyMs: 1 });
    expect(partition.position).toBe(0);
    blocked = false;
    await positionIs(partition, 1);
  });

  test('a gap is asked for once more before it is believed, and is no loss while the log begins before it', async () => {
    const partition = await running();
    expect(partition.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    await until('asked again', () => source.seeks.at(-1) === 0 && !source.paused, { everyMs: 1 });
    expect(partition.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    await until('believed', () => source.seeks.at(-1) === 5 && !source.paused, { everyMs: 1 });
    expect(partition.fetched(fetchOf(5, [recordAt(5)]))).toBe(true);
    await positionIs(partition, 6);
    expect(starter.starts).toMatchObject([{ position: 0, end: 6, count: 1 }]);
    expect(reports.events.filter(({ what }) => what === 'lost')).toEqual([]);
  });

  test('what retention deleted is reported to the offset, and the chain has no hole', async () => {
    const partition = await running();
    source.log = { start: 40, end: 50 };
    expect(partition.fetched(fetchOf(40, [recordAt(40)]))).toBe(false);
    await until('lost', () => reports.events.some(({ what }) => what === 'lost'), { everyMs: 1 });
    expect(reports.events).toContainEqual({ what: 'lost', detail: { from: 0, to: 40 } });
    await until('seek', () => source.seeks.at(-1) === 40 && !source.paused, { everyMs: 1 });
    partition.fetched(fetchOf(40, [recordAt(40)]));
    await positionIs(partition, 41);
    expect(starter.starts).toMatchObject([{ position: 0, end: 41 }]);
  });

  test('halts when the log ends below what was read', async () => {
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0), recordAt(1)]));
    await positionIs(partition, 2);
    source.log = { start: 0, end: 1 };
    partition.fetched(fetchOf(0, [recordAt(0, 'new')]));
    await until('halted', () => reports.events.some(({ what }) => what === 'halted'), { everyMs: 1 });
    expect(partition.position).toBe(2);
  });

  test('an end that is too low for a while, as a new leader names it, halts nothing', async () => {
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0), recordAt(1)]));
    await positionIs(partition, 2);
    let asked = 0;
    source.bounds = () => Promise.resolve(new Map([[0, { start: 0, end: ++asked < 4 ? 1 : 100 }]]));
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('reads on', () => asked === 4 && !source.paused, { everyMs: 1 });
    expect(source.seeks.at(-1)).toBe(2);
    expect(reports.events.filter(({ what }) => what === 'halted')).toEqual([]);
  });

  test('pauses a full lane and resumes it when it has room', async () => {
    let open = false;
    starter.answer = () => (open ? undefined : { kind: 'unknown', reason: 'busy' });
    const partition = await running({ laneBytesMax: 100 });
    partition.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3].map((offset) => recordAt(offset)),
      ),
    );
    expect(source.paused).toBe(true);
    open = true;
    await until('resumed', () => !source.paused, { everyMs: 1 });
  });

  test('an abandoned partition takes nothing and commits nothing', async () => {
    let release = () => {};
    starter.answer = () =>
      new Promise((resolve) => {
        release = () => resolve(undefined);
      });
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    const done = partition.abandon();
    release();
    await done;
    expect(partition.fetched(fetchOf(1, [recordAt(1)]))).toBe(false);
    expect(source.commits).toHaveLength(1);
  });

  test('draining ends after the batch under way, with its commit', async () => {
    const partition = await running();
    partition.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3, 4, 5].map((offset) => recordAt(offset)),
      ),
    );
    await until('started', () => starter.starts.length > 0, { everyMs: 1 });
    await partition.drain();
    expect(source.commits.at(-1)!.offset).toBe(starter.starts.at(-1)!.end);
    expect(starter.starts.length).toBeLessThan(6);
  });

  test('the records of a start are those of its range', async () => {
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0), recordAt(3)], 6));
    await positionIs(partition, 6);
    const { batch, records } = decodeRecords(starter.starts[0]!.records);
    expect(batch).toEqual({ ...chain, position: 0, end: 6, count: 2, head: true });
    expect(records.map(({ offset }) => offset)).toEqual([0, 3]);
  });

  const committedTail = { offset: 9, hash: recordHash(recordAt(9)) };

  test('does not go below the log start to verify a record that retention deleted', async () => {
    source.stored = { offset: 10, metadata: encodeCommitMetadata({ epoch: 0, tail: committedTail }) };
    source.log = { start: 10, end: 100 };
    const partition = await running();
    expect(source.seeks).toEqual([10]);
    expect(partition.fetched(fetchOf(10, [recordAt(10)]))).toBe(true);
    await positionIs(partition, 11);
  });

  test('a position that retention has passed is a loss, and the commit keeps what it says', async () => {
    source.stored = { offset: 10, metadata: encodeCommitMetadata({ epoch: 0, tail: committedTail }) };
    source.log = { start: 40, end: 100 };
    const partition = await running();
    expect(source.seeks).toEqual([40]);
    expect(reports.events).toContainEqual({ what: 'lost', detail: { from: 10, to: 40 } });
    expect(source.commits.map(({ offset, metadata }) => [offset, decodeCommitMetadata(metadata)])).toEqual([
      [10, { epoch: 0, tail: committedTail }],
    ]);
    partition.fetched(fetchOf(40, [recordAt(40)]));
    await positionIs(partition, 41);
    expect(starter.starts).toMatchObject([{ position: 10, end: 41 }]);
  });

  test('a loss before the first batch leaves it the head of the chain', async () => {
    const partition = await running();
    source.log = { start: 40, end: 50 };
    partition.fetched(fetchOf(40, [recordAt(40)]));
    await until('seek', () => source.seeks.at(-1) === 40 && !source.paused, { everyMs: 1 });
    expect(decodeCommitMetadata(source.commits.at(-1)!.metadata)).toEqual({ epoch: 0, head: true });
  });

  test('never sends the consumer behind the end of the log: it halts', async () => {
    source.stored = { offset: 10, metadata: encodeCommitMetadata({ epoch: 0, tail: committedTail }) };
    source.log = { start: 0, end: 5 };
    const partition = createPartition();
    await partition.run(groupState());
    expect(reports.events).toMatchObject([
      { what: 'halted', detail: expect.stringContaining('truncated or recreated') as string },
    ]);
    expect(source.seeks).toEqual([]);
  });

  test('what kafkajs did to the commit is put right when a fetch was out of place', async () => {
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0), recordAt(1)]));
    await positionIs(partition, 2);
    source.stored = { offset: -2, metadata: null };
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('committed again', () => source.stored.offset === 2, { everyMs: 1 });
    expect(decodeCommitMetadata(source.stored.metadata)).toEqual({
      epoch: 0,
      tail: { offset: 1, hash: recordHash(recordAt(1)) },
    });
  });

  test('a fetch that does not cover the last record is asked for once more, then the record counts as gone', async () => {
    source.stored = { offset: 10, metadata: encodeCommitMetadata({ epoch: 0, tail: committedTail }) };
    const partition = await running();
    expect(partition.fetched(fetchOf(10, [recordAt(10)]))).toBe(false);
    expect(source.seeks).toEqual([9, 9]);
    expect(partition.fetched(fetchOf(9, [recordAt(9, 'another'), recordAt(10)]))).toBe(false);
    expect(reports.events).toMatchObject([{ what: 'halted' }]);

    source.seeks = [];
    const second = await running();
    expect(second.fetched(fetchOf(10, [recordAt(10)]))).toBe(false);
    expect(second.fetched(fetchOf(10, [recordAt(10)]))).toBe(true);
    await positionIs(second, 11);
  });

  test('is not waiting any more once Kafka answers again', async () => {
    let fails = true;
    const partition = createPartition();
    void partition.run({
      ...groupState(),
      committed: () => (fails ? Promise.reject(new Error('no broker')) : source.committed()),
    });
    await until('waiting', () => partition.isWaiting, { everyMs: 1 });
    fails = false;
    await until('assigned', () => partition.position !== undefined && !source.paused, { everyMs: 1 });
    expect(partition.isWaiting).toBe(false);
  });

  test('a batch that is scored while a fetch is out of place does not resume the partition', async () => {
    let release = () => {};
    starter.answer = () =>
      new Promise((resolve) => {
        release = () => resolve(undefined);
      });
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    let answerBounds = () => {};
    source.bounds = () =>
      new Promise((resolve) => {
        answerBounds = () => resolve(new Map([[0, source.log]]));
      });
    expect(partition.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    release();
    await positionIs(partition, 1);
    expect(source.paused).toBe(true);
    expect(partition.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    answerBounds();
    await until('asked again', () => !source.paused, { everyMs: 1 });
    expect(source.seeks.at(-1)).toBe(1);
    expect(partition.position).toBe(1);
  });

  test('a fetch that came while the partition was paused is asked for again', async () => {
    let open = false;
    starter.answer = () => (open ? undefined : { kind: 'unknown', reason: 'busy' });
    const partition = await running({ laneBytesMax: 100 });
    partition.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3].map((offset) => recordAt(offset)),
      ),
    );
    expect(partition.fetched(fetchOf(4, [], 9))).toBe(false);
    open = true;
    await until('resumed', () => !source.paused, { everyMs: 1 });
    expect(source.seeks.at(-1)).toBe(4);
    expect(partition.fetched(fetchOf(4, [], 9))).toBe(true);
    expect(partition.doneBelow).toBe(9);
  });

  test('a run that needs a re-drive is shown as halted for as long as it does', async () => {
    const shown: string[] = [];
    reports.waiting = (_, reason) => void shown.push(reason);
    let blocked = true;
    starter.answer = () => (blocked ? { kind: 'blocked', reason: 'terminated' } : undefined);
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('looked again', () => starter.starts.length > 2, { everyMs: 1 });
    expect(partition.isWaiting).toBe(true);
    blocked = false;
    await positionIs(partition, 1);
    expect(shown).not.toContain('temporal');
    expect(partition.isWaiting).toBe(false);
  });

  test('a batch refused for its size is halved, and a record too large alone goes as a stub', async () => {
    starter.answer = ({ records }) => {
      const { records: sent } = decodeRecords(records);
      const tooLarge = sent.length > 1 || (sent[0]!.offset === 2 && !sent[0]!.stub);
      return tooLarge ? { kind: 'too_large', reason: 'Blob data size exceeds limit.' } : undefined;
    };
    const partition = await running();
    partition.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3].map((offset) => recordAt(offset)),
      ),
    );
    await positionIs(partition, 4);
    expect([...starter.ends]).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    const stubs = starter.starts
      .filter(({ position, end }) => end === position + 1)
      .map(({ records }) => decodeRecords(records).records[0]!)
      .filter(({ stub }) => stub);
    expect(stubs).toMatchObject([{ offset: 2, stub: { recordBytes: 2 } }]);
    expect(decodeCommitMetadata(source.commits.find(({ offset }) => offset === 3)!.metadata)!.tail).toEqual({
      offset: 2,
      hash: recordHash(recordAt(2)),
    });
  });
});
