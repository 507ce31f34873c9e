import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { segmentPath } from '../../lake/paths.ts';
import { readSegmentHead } from '../../lake/segment-file.ts';
import { decodeSegment } from '../../lake/segment.ts';
import { createLakeSink } from '../../sinks/lake.ts';
import { printedBy } from '../lib/child.ts';
import { chain, decisionRow, deliveryOf } from './rows.ts';

const orders = z.object({
  orderId: z.string(),
  amount: z.number(),
  note: z.string(),
  at: z.date().optional(),
  items: z.array(z.string()).optional(),
});
const never = new AbortController().signal;

describe('lake sink', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'headrace-lake-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const rows = [3, 4, 9].map((offset) =>
    decisionRow(offset, { late: offset === 9, degraded: offset === 4, why: `why ${offset % 2}` }),
  );
  const delivery = () => deliveryOf(rows, { event: orders });
  const pathOf = ({ batch }: ReturnType<typeof delivery>) =>
    join(root, segmentPath(batch.pipeline, batch, { sequence: batch.sequence, startId: batch.startId! }));
  const filesUnder = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);

  it('keeps everything about a batch in one file that says what it holds', async () => {
    const own = delivery();
    own.batch.ranges[0]!.first = true;
    await createLakeSink({ root }).deliver(own, never);
    const segment = decodeSegment(
      readFileSync(join(root, 'segments/orders/0/orders/0.3/0000000000000003-start-3.seg')),
    );
    expect(segment.header).toMatchObject({
      batch: {
        ...chain,
        sequence: 3,
        startId: 'start-3',
        ranges: [{ partition: 3, position: 3, end: 10, count: 3, first: true }],
      },
      workflowId: 'batch:local:orders:0:orders:0.3:3',
      entities: ['customer', 'shop'],
      features: ['amount', 'customer_count_1d'],
      outputs: [
        { name: 'score', width: 1 },
        { name: 'parts', width: 2 },
      ],
      models: [{ name: 'orders', version: '4' }],
      outcomes: ['approve'],
      whys: ['why 1', 'why 0'],
      events: {
        fields: [
          { name: 'orderId', kind: 'string' },
          { name: 'amount', kind: 'number' },
          { name: 'note', kind: 'string' },
          { name: 'at', kind: 'timestamp' },
          { name: 'items', kind: 'json' },
        ],
        rest: false,
      },
    });
    expect([...segment.partition]).toEqual([3, 3, 3]);
    expect([...segment.offset]).toEqual([3, 4, 9]);
    expect([...segment.why]).toEqual([0, 1, 0]);
    expect([...segment.degraded]).toEqual([0, 1, 0]);
    expect([...segment.late]).toEqual([0, 0, 1]);
    expect([...segment.features]).toEqual([12.5, Math.fround(0.1), 12.5, Math.fround(0.1), 12.5, Math.fround(0.1)]);
    expect([...segment.predictions.subarray(0, 3)]).toEqual([Math.fround(0.7), 1, 2]);
    expect(segment.eventIds).toEqual(['order-3', 'order-4', 'order-9']);
    expect(segment.entityKeys[0]).toEqual(['customer-3', 'customer-4', 'customer-2']);
    expect(segment.events[2]).toEqual(rows[2]!.event);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('writes a batch once, however often and however concurrently it is delivered', async () => {
    const sink = createLakeSink({ root });
    await Promise.all([sink.deliver(delivery(), never), sink.deliver(delivery(), never)]);
    const written = readFileSync(pathOf(delivery()));
    await createLakeSink({
      root,
      onStep: (step) => expect.unreachable(`nothing is written again, but: ${step}`),
    }).deliver(delivery(), never);
    expect(readFileSync(pathOf(delivery()))).toEqual(written);
    expect(filesUnder(root).filter((path) => path.endsWith('.seg'))).toHaveLength(1);
  });

  it('writes again what a broken disk has changed', async () => {
    const sink = createLakeSink({ root });
    await sink.deliver(delivery(), never);
    const whole = readFileSync(pathOf(delivery()));
    for (const broken of [
      whole.subarray(0, 10),
      whole.subarray(0, 60),
      Buffer.from(whole).fill(0, 60, 61),
      Buffer.alloc(0),
    ]) {
      writeFileSync(pathOf(delivery()), broken);
      await sink.deliver(delivery(), never);
      expect(readFileSync(pathOf(delivery()))).toEqual(whole);
    }
  });

  it('takes a batch without rows, so that no partition has a hole', async () => {
    const empty = { ...delivery(), rows: [] };
    await createLakeSink({ root }).deliver(empty, never);
    expect(decodeSegment(readFileSync(pathOf(empty))).offset).toHaveLength(0);
  });

  it('answers for the ranges of a batch without what an earlier one has decided', async () => {
    const places = (partition: number, offsets: number[]) => offsets.map((offset) => ({ partition, offset }));
    const rows = [...places(1, [5, 7]), ...places(2, [0, 1])].map(({ partition, offset }) =>
      decisionRow(offset, { partition }),
    );
    const two = deliveryOf(rows, { event: orders });
    const batch = {
      ...two.batch,
      ranges: [
        { partition: 0, position: 3, end: 9, count: 2 },
        { partition: 1, position: 2, end: 9, count: 4, first: true as const },
        { partition: 2, position: 0, end: 2, count: 2, first: true as const },
        { partition: 3, position: 4, end: 6, count: 2 },
      ],
    };
    const duplicates = [...places(0, [3, 8]), ...places(1, [2, 4]), ...places(3, [4])];
    await createLakeSink({ root }).deliver({ ...two, batch, duplicates }, never);
    const { ranges } = await readSegmentHead(pathOf(two));
    expect(ranges).toEqual([
      { partition: 1, position: 5, end: 9 },
      { partition: 2, position: 0, end: 2, first: true },
      { partition: 3, position: 5, end: 6 },
    ]);
    const segment = decodeSegment(readFileSync(pathOf(two)));
    expect([...segment.partition]).toEqual([1, 1, 2, 2]);
    expect([...segment.offset]).toEqual([5, 7, 0, 1]);
  });

  it('writes nothing for a batch that an earlier one has decided, and takes none that was not started', async () => {
    const decided = { ...delivery(), rows: [], duplicates: [3, 4, 9].map((offset) => ({ partition: 3, offset })) };
    await createLakeSink({ root }).deliver(decided, never);
    expect(filesUnder(root)).toEqual([]);
    const foldedAgain = delivery();
    delete foldedAgain.batch.startId;
    await expect(createLakeSink({ root }).deliver(foldedAgain, never)).rejects.toMatchObject({ code: 'SINK_BROKEN' });
    expect(filesUnder(root)).toEqual([]);
  });

  it('keeps two runs of one number apart', async () => {
    const other = delivery();
    other.batch.startId = 'other';
    for (const each of [delivery(), other]) await createLakeSink({ root }).deliver(each, never);
    expect(filesUnder(root).filter((path) => path.endsWith('.seg'))).toHaveLength(2);
  });

  it('never refuses a value that JSON has no form for', async () => {
    const odd = z.object({
      big: z.bigint(),
      tags: z.set(z.string()),
      by: z.map(z.string(), z.number()),
      when: z.date(),
    });
    const event = { big: 2n ** 70n, tags: new Set(['a']), by: new Map([['b', 1]]), when: new Date(5) };
    await createLakeSink({ root }).deliver(deliveryOf([decisionRow(0, { event })], { event: odd }), never);
    const { events } = decodeSegment(
      readFileSync(join(root, segmentPath('orders', chain, { sequence: 0, startId: 'start-0' }))),
    );
    expect(events).toEqual([
      { big: '1180591620717411303424', tags: ['a'], by: [['b', 1]], when: '1970-01-01T00:00:00.005Z' },
    ]);
  });

  it.each(['write', 'sync', 'rename', 'sync folder'])(
    'leaves no half file when the disk fails at "%s", says what to do, and works afterwards',
    async (failing) => {
      const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      const failure = createLakeSink({
        root,
        onStep: (step) => {
          if (step === failing) throw full;
        },
      }).deliver(delivery(), never);
      await expect(failure).rejects.toMatchObject({
        code: 'SINK_UNAVAILABLE',
        message: expect.stringMatching(/disk is full.*LAKE_URL.*HEADRACE_DATA_DIR/),
      });
      expect(readdirSync(join(root, 'tmp'))).toEqual([]);
      await createLakeSink({ root }).deliver(delivery(), never);
      expect(decodeSegment(readFileSync(pathOf(delivery()))).offset).toHaveLength(3);
    },
  );

  it.each<[string, unknown, RegExp]>([
    [
      'what throws a text of its own',
      {
        toJSON() {
          throw new Error('secret');
        },
      },
      /SINK_BROKEN: a batch cannot be encoded for the lake: Error$/,
    ],
    [
      'a bug',
      { toJSON: () => (undefined as unknown as { secret: unknown }).secret },
      /SINK_BROKEN: a batch cannot be encoded for the lake: TypeError at /,
    ],
  ])('blames neither folder nor setting for %s, quotes nothing, and drains nothing', async (_, note, text) => {
    const broken = createLakeSink({ root }).deliver(deliveryOf([decisionRow(0, { event: { note } })]), never);
    await expect(broken).rejects.toMatchObject({
      code: 'SINK_BROKEN',
      kind: 'systemic',
      message: expect.stringMatching(text),
    });
    await expect(broken).rejects.not.toThrow(/LAKE_URL|secret/);
  });

  it('names the setting when its folder cannot be made', async () => {
    writeFileSync(join(root, 'file'), '');
    await expect(createLakeSink({ root: join(root, 'file', 'lake') }).deliver(delivery(), never)).rejects.toMatchObject(
      {
        code: 'SINK_UNAVAILABLE',
        message: expect.stringMatching(/LAKE_URL \(or HEADRACE_DATA_DIR\).*ENOTDIR/),
      },
    );
  });

  it.runIf(platform() === 'linux')('ends where no folder can be made, and names the setting', () => {
    const code = `
      import { createLakeSink } from './sinks/lake.ts';
      import { decisionRow, deliveryOf } from './test/sinks/rows.ts';
      const sink = createLakeSink({ root: '/proc/nothing/lake' });
      await sink.deliver(deliveryOf([decisionRow(0)]), new AbortController().signal).catch((error) => console.log(error.message));`;
    expect(printedBy(code)).toMatch(
      /^SINK_UNAVAILABLE: the lake at \/proc\/nothing\/lake cannot be written: check that LAKE_URL \(or HEADRACE_DATA_DIR\) .*\(no folder \/proc\/nothing can be made\)\n$/,
    );
  });

  it('refuses to share a lake between deployments', async () => {
    await createLakeSink({ root }).deliver(delivery(), never);
    const other = delivery();
    other.batch.deployment = 'other';
    await expect(createLakeSink({ root }).deliver(other, never)).rejects.toThrow(
      /belongs to deployment "local".*LAKE_URL/,
    );
  });

  it('stops at an aborted signal and leaves nothing', async () => {
    const controller = new AbortController();
    const sink = createLakeSink({
      root,
      onStep: (step) => step === 'write' && controller.abort(new Error('too late')),
    });
    await expect(sink.deliver(delivery(), controller.signal)).rejects.toThrow(/too late/);
    expect(filesUnder(root).filter((path) => path.endsWith('.seg'))).toEqual([]);
  });
});
