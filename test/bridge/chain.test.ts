import { beforeEach, describe, expect, test } from 'vitest';
import { decodeCommitMetadata, recordHash } from '../../bridge/commit-metadata.ts';
import { decodeRecords } from '../../contracts/records-frame.ts';
import { until } from '../live/wait.ts';
import { chainRef, chainRig, positionIs } from './chain-rig.ts';
import { fetchOf, recordAt, recordsAt, type FakeSource, type FakeStarter, type recordingReports } from './fakes.ts';

let source: FakeSource;
let starter: FakeStarter;
let reports: ReturnType<typeof recordingReports>;
let createChain: ReturnType<typeof chainRig>['createChain'];
let groupState: ReturnType<typeof chainRig>['groupState'];
let running: ReturnType<typeof chainRig>['running'];

beforeEach(() => {
  ({ source, starter, reports, createChain, groupState, running } = chainRig());
});

describe('the batches of a chain', () => {
  test('adopts the end of the run that exists, shorter or longer than its own cut', async () => {
    starter.startedBefore(0, [{ partition: 0, position: 0, end: 2, count: 2 }]);
    starter.startedBefore(1, [{ partition: 0, position: 2, end: 9, count: 7 }]);
    const chain = await running();
    chain.fetched(fetchOf(0, recordsAt(0, 4)));
    await positionIs(chain, 9);
    expect(source.seeks.at(-1)).toBe(9);
    await until('committed', () => source.stored.offset === 9, { everyMs: 1 });
    expect(decodeCommitMetadata(source.stored.metadata)).toEqual({ epoch: 0, layout: 0, chains: 1, sequence: 1 });
    chain.fetched(fetchOf(9, [recordAt(9)]));
    await positionIs(chain, 10);
    expect(starter.starts.at(-1)).toMatchObject({ sequence: 2, after: 'before-1', ranges: [{ position: 9, end: 10 }] });
  });

  test('asks again with the same range when the answer is unknown, and commits nothing meanwhile', async () => {
    let lost = true;
    starter.answer = () => (lost ? { kind: 'unknown', reason: 'lost reply' } : undefined);
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('third try', () => starter.starts.length >= 3, { everyMs: 1 });
    expect(source.commits).toHaveLength(1);
    lost = false;
    await positionIs(chain, 1);
    expect(new Set(starter.ranges.map(String))).toEqual(new Set(['0,1']));
    expect(new Set(starter.starts.map(({ sequence }) => sequence))).toEqual(new Set([0]));
    expect(starter.again).toEqual(starter.starts.map((_, i) => i > 0));
  });

  test('stands still before a run that ended without completing, and goes on when it was re-driven', async () => {
    let blocked = true;
    starter.answer = () => (blocked ? { kind: 'blocked', reason: 'terminated' } : undefined);
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('halted', () => reports.events.some(({ what }) => what === 'halted'), { everyMs: 1 });
    expect(chain.position()).toBe(0);
    blocked = false;
    await positionIs(chain, 1);
  });

  test('a run that needs a re-drive is shown as halted for as long as it does', async () => {
    const shown: string[] = [];
    reports.waiting = (_, reason) => void shown.push(reason);
    let blocked = true;
    starter.answer = () => (blocked ? { kind: 'blocked', reason: 'terminated' } : undefined);
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('looked again', () => starter.starts.length > 2, { everyMs: 1 });
    expect(chain.isWaiting()).toBe(true);
    blocked = false;
    await positionIs(chain, 1);
    expect(shown).not.toContain('temporal');
    expect(chain.isWaiting()).toBe(false);
  });

  test('pauses a full lane and resumes it when it has room', async () => {
    let open = false;
    starter.answer = () => (open ? undefined : { kind: 'unknown', reason: 'busy' });
    const chain = await running({ laneBytesMax: 100 });
    chain.fetched(fetchOf(0, recordsAt(0, 4)));
    expect(source.paused).toBe(true);
    open = true;
    await until('resumed', () => !source.paused, { everyMs: 1 });
  });

  test('an abandoned chain takes nothing and commits nothing', async () => {
    const release = starter.hold();
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    const done = chain.abandon();
    release();
    await done;
    expect(chain.fetched(fetchOf(1, [recordAt(1)]))).toBe(false);
    expect(source.commits).toHaveLength(1);
  });

  test('draining ends after the batch under way, with its commit', async () => {
    const chain = await running();
    chain.fetched(fetchOf(0, recordsAt(0, 6)));
    await until('started', () => starter.starts.length > 0, { everyMs: 1 });
    await chain.drain();
    expect(source.commits.at(-1)!.offset).toBe(starter.ranges.at(-1)![1]);
    expect(starter.starts.length).toBeLessThan(6);
  });

  test('the records of a start are those of its range', async () => {
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0), recordAt(3)], 6));
    await positionIs(chain, 6);
    const { batch, records } = decodeRecords(starter.starts[0]!.records);
    expect(batch).toEqual({
      ...chainRef,
      sequence: 0,
      ranges: [{ partition: 0, position: 0, end: 6, count: 2, first: true }],
    });
    expect(records.map(({ offset }) => offset)).toEqual([0, 3]);
  });

  test('is not waiting any more once Kafka answers again', async () => {
    let fails = true;
    const { committed } = source;
    source.committed = () => (fails ? Promise.reject(new Error('no broker')) : committed.call(source));
    const chain = createChain();
    void chain.chain.run(groupState());
    await until('waiting', () => chain.isWaiting(), { everyMs: 1 });
    fails = false;
    await until('assigned', () => chain.position() !== undefined && !source.paused, { everyMs: 1 });
    expect(chain.isWaiting()).toBe(false);
  });

  test('one refused for its size is halved, and a record too large alone goes as a stub', async () => {
    starter.answer = ({ records }) => {
      const { records: sent } = decodeRecords(records);
      const tooLarge = sent.length > 1 || (sent[0]!.offset === 2 && !sent[0]!.stub);
      return tooLarge ? { kind: 'too_large', reason: 'Blob data size exceeds limit.' } : undefined;
    };
    const chain = await running();
    chain.fetched(fetchOf(0, recordsAt(0, 4)));
    await positionIs(chain, 4);
    expect(reports.events.filter(({ what }) => what === 'scored').map(({ detail }) => detail)).toMatchObject(
      [0, 1, 2, 3].map((position) => ({ position, end: position + 1 })),
    );
    const stubs = starter.starts.flatMap((start) => decodeRecords(start.records).records).filter(({ stub }) => stub);
    expect(stubs).toMatchObject([{ offset: 2, stub: { recordBytes: 2 } }]);
    await until('committed', () => source.stored.offset === 4, { everyMs: 1 });
    expect(decodeCommitMetadata(source.stored.metadata)!.tail).toEqual({ offset: 3, hash: recordHash(recordAt(3)) });
  });
});
