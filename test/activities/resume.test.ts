import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { attempt } from '../../activities/attempt.ts';
import type { CopyPort, RecordsPort } from '../../scoring/ports.ts';
import { createResumeActivities } from '../../activities/resume.ts';
import { encodeHeaders, headersIn, textHeader, type RecordHeader } from '../../contracts/record-headers.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { partsOf, readAgainHeader, type LettersSpan } from '../../contracts/resume.ts';
import { MemoryStore } from '../../features/index.ts';
import { paymentsPipeline } from '../live/payments.ts';

const pipeline = paymentsPipeline({ name: 'p', topic: 't' });
const partition0 = { deployment: 'local', pipeline: 'p', epoch: 0, topic: 't', partition: 0 };
const input = { deployment: 'local', pipeline: 'p', partitions: [], from: 3 };
const time = 1_700_000_000_000;
const good = Buffer.from(JSON.stringify({ id: 'e', account: 'a', amount: 1, at: time }));
const odd: RecordHeader[] = [
  textHeader('traced', null),
  textHeader('traced', 'yes'),
  [Buffer.from([0xff]), Buffer.from([0xfe])],
];

function letter(key: string | null, step = 'decode'): KafkaRecord {
  return {
    offset: 0,
    timestampMs: 0,
    key: null,
    value: null,
    headers: encodeHeaders([textHeader('headrace-event-key', key), textHeader('headrace-step', step)]),
  };
}

describe('reading again', () => {
  let letters: KafkaRecord[];
  let log: KafkaRecord[];
  let start: number;
  let store: MemoryStore;
  let reads: [topic: string, from: number, to: number][];
  let published: Parameters<CopyPort['publish']>[1][number][];
  /** What is told of partition 1 while its leader is away. */
  let away: Error | undefined;

  beforeEach(() => {
    letters = [];
    log = Array.from({ length: 10 }, (_, offset) => ({
      offset,
      timestampMs: time,
      key: Buffer.from('k'),
      value: good,
      headers: encodeHeaders(odd),
    }));
    start = 0;
    store = new MemoryStore();
    published = [];
    reads = [];
    away = undefined;
  });

  const records: RecordsPort = {
    async *read(topic, _partition, from, to) {
      reads.push([topic, from, to]);
      const all = topic === 't' ? log : letters.map((each, offset) => ({ ...each, offset }));
      for (let at = from; at < to; at += 10)
        yield await Promise.resolve({
          end: Math.min(at + 10, to),
          records: all.filter(({ offset }) => offset >= at && offset < Math.min(at + 10, to)),
        });
    },
    bounds: (topic) =>
      Promise.resolve(
        new Map<number, { start: number; end: number } | Error>(
          topic === 't'
            ? [
                [1, away ?? { start: 0, end: 5 }],
                [0, { start, end: log.length }],
              ]
            : [[0, { start: 0, end: letters.length }]],
        ),
      ),
  };
  const activities = (pageMax?: number) =>
    createResumeActivities({
      pageMax,
      pipelines: [pipeline],
      store,
      records,
      deployment: 'local',
      epochOf: () => Promise.resolve(0),
      copies: { publish: (_topic, copies) => Promise.resolve(void published.push(...copies)) },
      nowMs: () => time,
    });
  const inActivity = <T>(work: () => Promise<T>) =>
    asyncLocalStorage.run({ info: { isLocal: true } } as unknown as Context, work);
  const key = (offset: number, of = 'local:p:0:t:0') => `${of}:${offset}`;

  test('plans what decoding refused of the partitions that are asked for, from the offset on, each once, as far as the topic holds it', async () => {
    letters = [
      letter(key(7)),
      letter(key(4)),
      letter(key(7)),
      letter(key(2)),
      letter(key(5), 'infer'),
      letter(key(3)),
      letter(key(9)),
      letter(null),
      letter('no key'),
      ...['other:p:0:t:0', 'local:q:0:t:0', 'local:p:1:t:0', 'local:p:0:u:0'].map((of) => letter(key(8, of))),
      letter(key(4, 'local:p:0:t:1')),
    ];
    start = 4;
    await store.noteReadAgain(partition0, [9]);
    const ranges = [{ partition: 0, position: 0, end: 10, count: 10, first: true as const }];
    const { partition: _, ...topic } = partition0;
    await store.apply({ ...topic, layout: 0, chain: 0, sequence: 0, ranges }, ({ refusals }) => ({
      result: new Uint8Array(),
      states: new Map(),
      watermarks: [{ watermarkMs: null }],
      refusals,
      retentions: [],
    }));
    const both = [
      { partition: 0, offsets: [4, 7], gone: 1, decidedTo: 10 },
      { partition: 1, offsets: [4], gone: 0, decidedTo: null },
    ];
    expect(await inActivity(() => activities().planReadAgain(input))).toEqual({ plans: both });
    expect(await inActivity(() => activities().planReadAgain({ ...input, partitions: [1] }))).toEqual({
      plans: [both[1]],
    });
  });

  test('plans page by page: each goes on where the one before ended, and none reads what came after the first', async () => {
    letters = Array.from({ length: 35 }, (_, i) => letter(key(i + 3)));
    const pages: unknown[] = [];
    let left: LettersSpan[] | undefined;
    do {
      const page = await inActivity(() => activities(15).planReadAgain({ ...input, partitions: [0] }, left));
      pages.push([page.plans[0]!.offsets.length, page.left]);
      left = page.left;
      letters.push(letter(key(2_000)));
    } while (left);
    expect(pages).toEqual([
      [20, [{ partition: 0, from: 20, to: 35 }]],
      [15, undefined],
    ]);
    expect(reads.map(([, ...span]) => span)).toEqual([
      [0, 35],
      [20, 35],
    ]);
  });

  test('forgets what was read again and the topic does not hold any more, and still does not take it for lost', async () => {
    letters = [letter(key(4)), letter(key(7))];
    await store.noteReadAgain(partition0, [4]);
    start = 6;
    expect(await inActivity(() => activities().planReadAgain({ ...input, partitions: [0] }))).toMatchObject({
      plans: [{ offsets: [7], gone: 0 }],
    });
    // Nothing is noted apart any more: what lies before the log counts as read again.
    expect([4, 5, 6].map((offset) => store.wasReadAgain(partition0, offset))).toEqual([true, true, false]);
  });

  test('reads only where something is wanted, in steps that are bounded', () => {
    const many = Array.from({ length: 1_200 }, (_, i) => i);
    expect(partsOf(many).map((part) => part.length)).toEqual([500, 500, 200]);
    expect(partsOf([1, 9_000, 19_001, 1_000_000])).toEqual([[1, 9_000], [19_001], [1_000_000]]);
    const sparse = partsOf(Array.from({ length: 100 }, (_, i) => i * 5_000));
    expect(Math.max(...sparse.map((part) => part.at(-1)! - part[0]!))).toBeLessThan(100_000);
    expect(partsOf([])).toEqual([]);
  });

  test('tells with its heartbeats how far it has come', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const told: unknown[] = [];
    const context = {
      info: { isLocal: false },
      heartbeat: (progress: unknown) => told.push(progress),
    } as unknown as Context;
    const working = asyncLocalStorage.run(context, () =>
      attempt(async (tell) => {
        tell({ lookedTo: 7 });
        await new Promise((resolve) => {
          setTimeout(resolve, 3_000);
        });
      }),
    );
    await vi.advanceTimersByTimeAsync(3_000);
    await working;
    expect(told).toEqual([{ lookedTo: 7 }]);
  });

  test('needs the leaders of those partitions that are asked for, and no others', async () => {
    letters = [letter(key(4))];
    away = new Error('partition 1 has no leader');
    expect(await inActivity(() => activities().planReadAgain({ ...input, partitions: [0] }))).toMatchObject({
      plans: [{ partition: 0, offsets: [4] }],
    });
    await expect(inActivity(() => activities().planReadAgain(input))).rejects.toThrow('partition 1 has no leader');
    expect(await inActivity(() => activities().tolerateRefusals({ ...input, from: undefined }))).toEqual([0, 1]);
  });

  test('writes what the pipeline accepts now to its own partition, byte for byte and with its origin, once; the rest keeps its dead letter', async () => {
    log[5] = { ...log[5]!, value: Buffer.from('none') };
    log[6] = { ...log[6]!, headers: encodeHeaders([...odd, textHeader(readAgainHeader, key(1))]) };
    log.splice(7, 1);
    const part = () => inActivity(() => activities().readAgain(input, 0, [4, 5, 6, 7]));
    expect(await part()).toEqual({
      copied: 2,
      refused: 1,
      gone: 1,
      example: { offset: 5, code: 'NOT_JSON', reason: 'the value is no JSON text' },
    });
    const plain = (headers: Iterable<RecordHeader>) =>
      [...headers].map(([name, value]) => [
        Buffer.from(name).toString('latin1'),
        value && Buffer.from(value).toString('latin1'),
      ]);
    expect(published.map(({ partition, value, headers }) => [partition, String(value), plain(headers)])).toEqual(
      [4, 6].map((offset) => [0, String(good), [...plain(odd), [readAgainHeader, key(offset)]]]),
    );
    expect(plain(headersIn(log[4]!.headers))).toHaveLength(3);
    // A try that comes again after the first one was noted counts the same, and writes nothing.
    expect(await part()).toMatchObject({ copied: 2, refused: 1, gone: 1 });
    expect(published).toHaveLength(2);
  });

  test('lets refusals of all partitions that the topic has be right, or of those that are named', async () => {
    expect(await inActivity(() => activities().tolerateRefusals({ ...input, from: undefined }))).toEqual([0, 1]);
    expect(await inActivity(() => activities().tolerateRefusals({ ...input, partitions: [1] }))).toEqual([1]);
  });

  test('is nothing for a worker of another deployment, or without the pipeline', async () => {
    for (const other of [{ deployment: 'other' }, { pipeline: 'q' }])
      await expect(inActivity(() => activities().tolerateRefusals({ ...input, ...other }))).rejects.toMatchObject({
        type: 'PIPELINE_UNKNOWN',
      });
  });
});
