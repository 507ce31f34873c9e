import { Registry } from 'prom-client';
import { beforeEach, describe, expect, test } from 'vitest';
import { decodeCommitMetadata, recordHash } from '../../bridge/commit-metadata.ts';
import { createBridgeReports } from '../../bridge/metrics.ts';
import { createLogger } from '../../lib/log.ts';
import { until } from '../live/wait.ts';
import { chainRig, committedAs, positionIs, type TestedChain } from './chain-rig.ts';
import { fetchOf, recordAt, recordsAt } from './fakes.ts';

let rig: ReturnType<typeof chainRig>;

beforeEach(() => {
  rig = chainRig(undefined, 3);
});

const fetchOfPartition = (partition: number, ...of: Parameters<typeof fetchOf>) => ({ ...fetchOf(...of), partition });
const take = (chain: TestedChain, partition: number, from: number, to: number) =>
  chain.fetched(fetchOfPartition(partition, from, recordsAt(from, to)));
const isHalted = (partition: number) =>
  rig.reports.events.some((event) => event.what === 'halted' && event.partition === partition);

/** Another record stands where the committed one of partition 1 was. */
function commitOfAnotherLog(): void {
  rig.source.partitions[1]!.stored = {
    offset: 10,
    metadata: committedAs({ sequence: 3, tail: { offset: 9, hash: recordHash(recordAt(9)) } }),
  };
}
const fetchOfAnotherLog = fetchOfPartition(1, 9, [recordAt(9, 'another topic'), recordAt(10)]);

describe('a chain of several partitions', () => {
  test('takes what all of them hold as one batch, which has the positions of all, and commits them in one request', async () => {
    let score = () => {};
    rig.starter.answer = () => new Promise((resolve) => (score = () => resolve(undefined)));
    const chain = await rig.running({ recordsMax: 10 });
    take(chain, 0, 0, 1);
    await until('the first', () => rig.starter.starts.length === 1, { everyMs: 1 });
    take(chain, 2, 0, 2);
    take(chain, 0, 1, 3);
    rig.source.requests = [];
    score();
    await until('the second', () => rig.starter.starts.length === 2, { everyMs: 1 });
    expect(rig.starter.starts).toMatchObject([
      {
        sequence: 0,
        ranges: [{ partition: 0, position: 0, end: 1, first: true }],
        positions: { 0: 1, 1: 0, 2: 0 },
        untouched: [1, 2],
      },
      {
        sequence: 1,
        ranges: [
          { partition: 0, position: 1, end: 3 },
          { partition: 2, position: 0, end: 2, first: true },
        ],
        positions: { 0: 3, 1: 0, 2: 2 },
        untouched: [1],
      },
    ]);
    score();
    await until('committed', () => rig.source.partitions[2]!.stored.offset === 2, { everyMs: 1 });
    const last = rig.source.requests.at(-1)!;
    expect(last.map(({ partition, offset }) => [partition, offset])).toEqual([
      [0, 3],
      [2, 2],
    ]);
    for (const { metadata } of last) expect(decodeCommitMetadata(metadata)).toMatchObject({ sequence: 1 });
  });

  test('a range that does not begin where its partition is: nothing is taken, it is told, and the next number is tried', async () => {
    rig.starter.startedBefore(0, [{ partition: 0, position: 7, end: 9, count: 2 }], { positions: { 0: 9, 1: 50 } });
    const chain = await rig.running();
    take(chain, 0, 0, 2);
    await positionIs(chain, 2);
    expect(rig.reports.events.filter(({ what }) => what === 'notTaken')).toEqual([
      { what: 'notTaken', detail: { chain: 0, sequence: 0 } },
    ]);
    expect(rig.starter.starts.at(-1)).toMatchObject({
      sequence: 1,
      after: 'before-0',
      positions: { 0: 2, 1: 0, 2: 0 },
    });
    expect(chain.position(1)).toBe(0);
  });

  test('a partition whose leader is away holds up no other, and begins when it is known where', async () => {
    rig.source.partitions[1]!.log = new Error('its leader is away');
    const chain = rig.createChain();
    void chain.chain.run(rig.groupState());
    await until('the others', () => chain.lane(0) && chain.lane(2) && !rig.source.paused, { everyMs: 1 });
    take(chain, 0, 0, 2);
    await positionIs(chain, 2);
    expect(rig.starter.starts[0]!.positions).toEqual({ 0: 2, 2: 0 });
    expect(chain.standing(1).waiting).toMatchObject({ kind: 'kafka', text: 'its leader is away' });
    expect(chain.standing(0).waiting).toEqual({ kind: 'records' });
    rig.source.partitions[1]!.log = { start: 5, end: 9 };
    await until('it begins', () => chain.lane(1) && !rig.source.partitions[1]!.paused, { everyMs: 1 });
    take(chain, 1, 5, 6);
    await positionIs(chain, 6, 1);
    expect(rig.starter.starts.at(-1)!.ranges).toMatchObject([{ partition: 1, position: 5, end: 6, first: true }]);
  });

  test('draining ends after the batch under way, with the commits of all its partitions; of an abandoned one nothing comes', async () => {
    const chain = await rig.running({ recordsMax: 10 });
    take(chain, 0, 0, 2);
    take(chain, 1, 0, 2);
    await positionIs(chain, 2, 1);
    await chain.drain();
    take(chain, 2, 0, 2);
    expect(rig.source.partitions.map(({ stored }) => stored.offset)).toEqual([2, 2, 0]);
    const starts = rig.starter.starts.length;
    await chain.abandon();
    expect(take(chain, 0, 2, 3)).toBe(false);
    expect(rig.starter.starts).toHaveLength(starts);
  });
});

describe('what goes wrong with one partition', () => {
  test('a log that is another one than that of its commit halts it alone, and the chain keeps its position', async () => {
    commitOfAnotherLog();
    const chain = await rig.running();
    expect(chain.fetched(fetchOfAnotherLog)).toBe(false);
    expect([0, 1, 2].map(isHalted)).toEqual([false, true, false]);
    take(chain, 0, 0, 2);
    await positionIs(chain, 2);
    expect(rig.starter.starts).toMatchObject([{ sequence: 4, positions: { 0: 2, 1: 10, 2: 0 } }]);
    expect(chain.standing(1).waiting).toMatchObject({ kind: 'halted', offset: 9 });
    expect(rig.source.partitions.map(({ paused }) => paused)).toEqual([false, true, false]);
    expect(take(chain, 1, 10, 11)).toBe(false);
  });

  /** A run of all positions, with a range of partition 1. */
  const fromRun = () => {
    rig.starter.last = {
      sequence: 3,
      isScored: true,
      startId: 'third',
      chains: 1,
      ranges: [{ partition: 1, position: 9, end: 10, count: 1, mark: { offset: 9, hash: recordHash(recordAt(9)) } }],
      positions: { 0: 0, 1: 10, 2: 0 },
    };
  };

  test('a log that is another one than that of the last run halts the chain: nothing of its positions can be trusted', async () => {
    fromRun();
    const chain = await rig.running();
    chain.fetched(fetchOfAnotherLog);
    expect([0, 1, 2].map(isHalted)).toEqual([true, true, true]);
    const { waiting } = chain.standing(0);
    expect(waiting).toMatchObject({
      kind: 'halted',
      text: expect.stringMatching(/^t-1: offset 9 .*recreated/) as string,
    });
    // It is partition 1 that stands at that offset.
    expect(waiting.offset).toBeUndefined();
    expect(rig.reports.events.map(({ partition, detail }) => [partition, detail])).toEqual(
      [0, 1, 2].map((partition) => [partition, waiting.text]),
    );
    expect(rig.source.partitions.map(({ paused }) => paused)).toEqual([true, true, true]);
    expect(take(chain, 0, 0, 2)).toBe(false);
    expect(rig.starter.starts).toEqual([]);
  });

  test('of a chain that has halted no partition reads on, whatever it was at', async () => {
    fromRun();
    rig.source.partitions[2]!.log = new Error('its leader is away');
    const chain = rig.createChain();
    void chain.chain.run(rig.groupState());
    await until('the others', () => chain.lane(0) && chain.lane(1) && !rig.source.partitions[1]!.paused, {
      everyMs: 1,
    });
    // The log of partition 0 is asked what lies between; that of partition 2, where it begins.
    take(chain, 0, 5, 6);
    chain.fetched(fetchOfAnotherLog);
    rig.source.partitions[2]!.log = { start: 0, end: 9 };
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(rig.source.partitions.map(({ paused }) => paused)).toEqual([true, true, true]);
    for (const partition of [0, 2])
      expect(chain.standing(partition).waiting).toMatchObject({
        kind: 'halted',
        text: expect.stringContaining('recreated') as string,
      });
  });

  test('what cannot be read holds up its partition alone, is told for as long as it does, and comes back', async () => {
    const registry = new Registry();
    Object.assign(rig.reports, createBridgeReports(registry, createLogger('test', 'silent')));
    const alarm = async () =>
      (await registry.metrics())
        .split('\n')
        .filter((line) => line.startsWith('headrace_chain_halted{') && line.endsWith(' 1'))
        .map((line) => /partition="(\d)"/.exec(line)![1]);
    const unreadable = { unreadable: { from: 1, reason: 'broken bytes' } };
    const chain = await rig.running();
    chain.fetched({ ...fetchOfPartition(1, 0, [recordAt(0)]), ...unreadable });
    await positionIs(chain, 1, 1);
    await until('told', () => chain.standing(1).waiting.kind === 'halted', { everyMs: 1 });
    expect(await alarm()).toEqual(['1']);
    take(chain, 0, 0, 2);
    await positionIs(chain, 2);
    expect(chain.standing(0).waiting).toEqual({ kind: 'records' });
    expect(await alarm()).toEqual(['1']);

    await until('it is asked for again', () => !rig.source.partitions[1]!.paused, { everyMs: 1 });
    take(chain, 1, 1, 3);
    await positionIs(chain, 3, 1);
    expect(await alarm()).toEqual([]);
    expect(chain.isWaiting(1)).toBe(false);
  });

  test('one that halts while its records are being scored stays halted when they are', async () => {
    const registry = new Registry();
    Object.assign(rig.reports, createBridgeReports(registry, createLogger('test', 'silent')));
    let score = () => {};
    rig.starter.answer = () => new Promise((resolve) => (score = () => resolve(undefined)));
    const chain = await rig.running();
    take(chain, 1, 0, 2);
    await until('started', () => rig.starter.starts.length === 1, { everyMs: 1 });
    rig.source.partitions[1]!.log = { start: 0, end: 1 };
    take(chain, 1, 0, 1);
    await until('halted', () => chain.standing(1).waiting.kind === 'halted', { everyMs: 1 });
    score();
    await until('committed', () => rig.source.partitions[1]!.stored.offset === 2, { everyMs: 1 });
    expect(await registry.metrics()).toContain('headrace_chain_halted{pipeline="p",topic="t",partition="1"} 1');
  });

  test('a run that needs a re-drive is told of all partitions, also of one that was waiting for Kafka', async () => {
    rig.source.partitions[1]!.log = new Error('its leader is away');
    const told: [number, string][] = [];
    rig.reports.waiting = ({ partition }, reason) => void told.push([partition, reason]);
    rig.starter.answer = () => ({ kind: 'blocked', reason: 'terminated' });
    const chain = rig.createChain();
    void chain.chain.run(rig.groupState());
    await until('the others', () => chain.lane(0) && !rig.source.paused, { everyMs: 1 });
    take(chain, 0, 0, 1);
    await until('halted', () => isHalted(1), { everyMs: 1 });
    told.length = 0;
    rig.source.partitions[1]!.log = { start: 0, end: 9 };
    await until('it begins', () => chain.lane(1) && !rig.source.partitions[1]!.paused, { everyMs: 1 });
    expect(told.filter(([, reason]) => reason === 'none')).toEqual([]);
    expect(chain.standing(1).waiting).toMatchObject({ kind: 'halted', text: 'terminated' });
    await chain.abandon();
  });
});
