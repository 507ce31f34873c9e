import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readManifest } from '../../lake/manifest.ts';
import { planRollUps } from '../../lake/plan.ts';
import { rollUp } from '../../lake/roll-up.ts';
import { keys, LakeRig, type RigBatch, type RigRange } from './lake-rig.ts';

type Ranges = [partition: number, position: number, end: number, duplicates?: number][];
const rangesOf = (ranges: Ranges): RigRange[] =>
  ranges.map(([partition, position, end, duplicates]) => ({ partition, position, end, duplicates }));

describe('segments of several partitions', () => {
  let lake: LakeRig;
  let alarms: string[];
  beforeEach(async () => {
    lake = await LakeRig.open();
    alarms = [];
  });
  afterEach(() => lake.close());
  const onAlarm = (message: string) => void alarms.push(message);
  const minutesLater = (minutes: number) => ({ onAlarm, nowMs: () => Date.now() + minutes * 60_000 });
  const deliver = (sequence: number, ranges: Ranges, parts: Omit<RigBatch, 'sequence' | 'ranges'> = {}) =>
    lake.deliverBatch({ sequence, ranges: rangesOf(ranges), ...parts });

  it('cover each partition by itself, and their rows say where they are from', async () => {
    await deliver(0, [
      [0, 0, 3],
      [2, 0, 2],
    ]);
    await deliver(1, [[2, 2, 4]]);
    expect(await lake.segments()).toEqual([
      'segments/orders/0/orders/0.0/0000000000000000-start-0.seg',
      'segments/orders/0/orders/0.0/0000000000000001-start-1.seg',
    ]);
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual([...keys(0, 3, 0), ...keys(0, 4, 2)]);
    expect(await lake.query(`select event_key from lake where partition = 2 and "offset" = 3`)).toEqual([
      { event_key: 'local:orders:0:orders:2:3' },
    ]);
    expect((await readManifest(lake.root, 'orders')).covered).toEqual({
      '0/orders/0': [[0, 3]],
      '0/orders/2': [[0, 4]],
    });
    expect((await lake.files()).map((path) => path.split('/').at(-1))).toEqual([
      expect.stringMatching(/^0-orders-0-0\.2\.[0-9a-f]{16}\.parquet$/),
    ]);
    expect(alarms).toEqual([]);
  });

  it('wait for what is missing before any of their ranges, and hold up no others', async () => {
    await deliver(0, [
      [0, 0, 5],
      [1, 0, 5],
      [2, 0, 5],
    ]);
    // 1 is missing, of partitions 0 and 1.
    await deliver(2, [
      [0, 10, 15],
      [2, 5, 8],
    ]);
    await deliver(3, [[1, 7, 9]]);
    await deliver(4, [[2, 8, 9]]);
    await deliver(5, [[3, 0, 4]]);
    const { holes } = await lake.rollUpAll(minutesLater(4));
    expect(await lake.visible(), 'partition 2 waits behind 2, which waits for 1').toEqual([
      ...keys(0, 5, 0),
      ...keys(0, 5, 1),
      ...keys(0, 5, 2),
      ...keys(0, 4, 3),
    ]);
    expect(holes).toEqual([
      { pipeline: 'orders', epoch: 0, topic: 'orders', partition: 0, from: 5, to: 10, state: 'waited' },
      { pipeline: 'orders', epoch: 0, topic: 'orders', partition: 1, from: 5, to: 7, state: 'waited' },
    ]);
    await deliver(1, [
      [0, 5, 10],
      [1, 5, 7],
    ]);
    expect((await lake.rollUpAll(minutesLater(4))).holes).toEqual([]);
    expect(await lake.visible()).toEqual([...keys(0, 15, 0), ...keys(0, 9, 1), ...keys(0, 9, 2), ...keys(0, 4, 3)]);
    expect(alarms).toEqual([]);
  });

  it('go past a hole after minutes with one alarm for each partition, and still take what was missing', async () => {
    await deliver(0, [
      [0, 0, 5],
      [1, 0, 5],
    ]);
    await deliver(2, [
      [0, 10, 15],
      [1, 7, 9],
    ]);
    await deliver(3, [
      [0, 15, 16],
      [1, 9, 10],
    ]);
    const { holes } = await lake.rollUpAll(minutesLater(6));
    expect(await lake.visible()).toEqual([...keys(0, 5, 0), ...keys(10, 16, 0), ...keys(0, 5, 1), ...keys(7, 10, 1)]);
    expect(alarms).toEqual([
      expect.stringMatching(/orders-0, offsets 5 to 10,/),
      expect.stringMatching(/orders-1, offsets 5 to 7,/),
    ]);
    expect(holes).toMatchObject([
      { partition: 0, from: 5, to: 10, state: 'passed' },
      { partition: 1, from: 5, to: 7, state: 'passed' },
    ]);
    await deliver(1, [
      [0, 5, 10],
      [1, 5, 7],
    ]);
    expect((await lake.rollUpAll({ onAlarm })).holes).toEqual([]);
    expect(await lake.visible()).toEqual([...keys(0, 16, 0), ...keys(0, 10, 1)]);
    expect(alarms).toHaveLength(2);
  });

  it('have no hole before them that a segment fills which waits itself', async () => {
    await deliver(0, [
      [0, 0, 5],
      [1, 0, 5],
    ]);
    // 2 waits for 1, and 3 for 2: in partition 1 nothing is missing.
    await deliver(3, [[1, 9, 10]]);
    utimesSync(join(lake.root, (await lake.segments()).at(-1)!), new Date(0), new Date(0));
    await deliver(2, [
      [0, 10, 15],
      [1, 5, 9],
    ]);
    const { holes } = await lake.rollUpAll({ onAlarm });
    expect(holes).toMatchObject([{ partition: 0, from: 5, to: 10, state: 'waited' }]);
    expect(alarms).toEqual([]);
    await lake.rollUpAll(minutesLater(6));
    expect(alarms).toEqual([expect.stringMatching(/orders-0, offsets 5 to 10,/)]);
    expect(await lake.visible()).toEqual([...keys(0, 5, 0), ...keys(10, 15, 0), ...keys(0, 10, 1)]);
  });

  it('of one chain never hold up those of another', async () => {
    await deliver(1, [[0, 5, 9]]);
    await deliver(0, [[1, 0, 4]], { chain: 1 });
    await deliver(1, [[1, 4, 8]], { chain: 1 });
    expect((await lake.rollUpAll(minutesLater(4))).holes).toMatchObject([{ partition: 0, to: 5, state: 'waited' }]);
    expect(await lake.visible()).toEqual(keys(0, 8, 1));
    expect(alarms).toEqual([]);
  });

  it('begin partitions that came later, each with its first range', async () => {
    await deliver(0, [[0, 0, 5]]);
    await deliver(1, [
      [0, 5, 6],
      [1, 0, 3],
    ]);
    await lake.deliverBatch({ sequence: 2, ranges: [{ partition: 2, position: 40, end: 42, first: false }] });
    expect((await lake.rollUpAll(minutesLater(4))).holes).toMatchObject([{ partition: 2, to: 40, state: 'waited' }]);
    expect(await lake.visible()).toEqual([...keys(0, 6, 0), ...keys(0, 3, 1)]);
  });

  describe('of a new layout', () => {
    const oldLayout = async () => {
      for (let sequence = 0; sequence < 4; sequence++)
        for (const chain of [0, 1]) await deliver(sequence, [[chain, sequence * 5, (sequence + 1) * 5]], { chain });
    };
    const newLayout = () =>
      deliver(
        0,
        [
          [0, 20, 22],
          [1, 20, 23],
        ],
        { layout: 1 },
      );
    const all = [...keys(0, 22, 0), ...keys(0, 23, 1)];

    it('go on where those of the old one have ended', async () => {
      await newLayout();
      expect((await lake.rollUpAll(minutesLater(4))).holes).toMatchObject([{ partition: 0 }, { partition: 1 }]);
      await oldLayout();
      await lake.rollUpAll({ onAlarm });
      expect(await lake.visible()).toEqual(all);
      expect(alarms).toEqual([]);
    });

    it('never go past what is there and did not fit, or is broken', async () => {
      await newLayout();
      await oldLayout();
      const limits = { segments: 2, rows: 1_000, bytes: 1e6 };
      const [plan] = (await planRollUps({ root: lake.root, limits, ...minutesLater(60) })).plans;
      expect(plan).toMatchObject({ more: true, chains: [{ layout: 0 }, { layout: 0 }] });
      await rollUp({ root: lake.root }, plan!);
      const broken = join(lake.root, (await lake.segments()).find((path) => path.includes('0.1/'))!);
      const whole = readFileSync(broken);
      writeFileSync(broken, whole.subarray(0, 20));
      await lake.rollUpAll({ limits, ...minutesLater(60) });
      expect(alarms.length).toBeGreaterThan(0);
      for (const alarm of alarms) expect(alarm).toContain('was cut or changed');
      expect(await lake.visible()).toEqual([...keys(0, 20, 0), ...keys(0, 5, 1)]);
      writeFileSync(broken, whole);
      await lake.rollUpAll({ limits, ...minutesLater(60) });
      expect(await lake.visible()).toEqual(all);
    });
  });

  it('leave out ranges that are all duplicates, and are not written when all are', async () => {
    await deliver(0, [
      [0, 0, 5],
      [1, 0, 5],
    ]);
    await deliver(1, [
      [0, 0, 5, 5],
      [1, 0, 8, 5],
    ]);
    await deliver(2, [[0, 0, 5, 5]]);
    expect(await lake.segments()).toHaveLength(2);
    const [plan] = (await planRollUps({ root: lake.root })).plans;
    expect(plan!.chains[0]!.segments[1]!.take).toEqual([[1, 5, 8]]);
    await rollUp({ root: lake.root }, plan!);
    expect(await lake.visible()).toEqual([...keys(0, 5, 0), ...keys(0, 8, 1)]);
  });

  it('that come late give of each partition what is new, and go when that is nothing', async () => {
    await deliver(0, [
      [0, 0, 9],
      [1, 0, 5],
    ]);
    await lake.rollUpAll({ onAlarm });
    const late: Ranges[] = [
      [
        [0, 0, 9],
        [1, 0, 5],
      ],
      [
        [0, 2, 9],
        [1, 2, 9],
      ],
    ];
    for (const [i, ranges] of late.entries()) await deliver(i, ranges, { startId: 'again' });
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual([...keys(0, 9, 0), ...keys(0, 9, 1)]);
    expect(await lake.segments()).toEqual([]);
    expect(alarms).toEqual([expect.stringMatching(/0000000000000001-again\.seg overlaps/)]);
  });

  it('are taken in the order of their ranges where a chain was walked again under the same numbers', async () => {
    await deliver(0, [[0, 0, 5]], { startId: 'b' });
    await deliver(1, [[0, 5, 10]], { startId: 'b' });
    await deliver(2, [[0, 10, 15]], { startId: 'b' });
    // Walked again from 1 on, with other ends: 'a' comes before 'b' by its name, and behind it by its range.
    await deliver(1, [[0, 5, 18, 10]], { startId: 'a' });
    await deliver(2, [[0, 18, 20]], { startId: 'a' });
    const [plan] = (await planRollUps({ root: lake.root, onAlarm })).plans;
    expect(plan!.chains[0]!.segments.map(({ sequence, startId }) => `${sequence} ${startId}`)).toEqual([
      '0 b',
      '1 b',
      '2 b',
      '1 a',
      '2 a',
    ]);
    await rollUp({ root: lake.root }, plan!);
    expect(await lake.visible()).toEqual(keys(0, 20));
    expect(alarms).toEqual([]);
    expect((await readManifest(lake.root, 'orders')).covered).toEqual({ '0/orders/0': [[0, 20]] });
  });

  it('show each row once and need no patience once all have come, however chains are cut, walked again and changed', async () => {
    await fc.assert(fc.asyncProperty(scenario, checkScenario), { numRuns: 30 });
  }, 120_000);
});

const partitions = [0, 1, 2];
const records = 12;
/** What is cut into one batch: how far each partition goes on. */
const cut = fc.tuple(...partitions.map(() => fc.nat(4)));
const scenario = fc.record({
  layouts: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  cuts: fc.array(cut, { minLength: 60, maxLength: 60 }),
  /** At which of the cuts a chain is walked again, and from how far back. */
  again: fc.array(fc.record({ at: fc.nat(30), back: fc.nat(3), behind: fc.nat(6) }), { maxLength: 5 }),
  order: fc.array(fc.nat(), { minLength: 200, maxLength: 200 }),
  limit: fc.integer({ min: 1, max: 4 }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** The batches of a topic's chains, with the duplicates that the feature store's markers make of what it had before. */
function batchesOf({ layouts, cuts, again }: Scenario): RigBatch[] {
  const batches: RigBatch[] = [];
  const markers = partitions.map(() => 0);
  let step = 0;
  for (const [layout, chains] of layouts.entries()) {
    const last = layout === layouts.length - 1;
    for (let chain = 0; chain < chains; chain++) {
      const own = partitions.filter((partition) => partition % chains === chain);
      const goal = Math.ceil((records * (layout + 1)) / layouts.length);
      const positions = own.map((partition) => markers[partition]!);
      let sequence = 0;
      for (let rounds = 0; positions.some((position) => position < (last ? records : goal)); rounds++) {
        const walk = again.find(({ at }) => at === step);
        if (walk) {
          // Temporal and the commits have forgotten the last batches: the positions and the number are those of before.
          sequence = Math.max(0, sequence - walk.back);
          for (let i = 0; i < own.length; i++) positions[i] = Math.max(0, positions[i]! - walk.behind);
        }
        const wanted = cuts[step++ % cuts.length]!;
        const ranges = own.flatMap((partition, i): RigRange[] => {
          const position = positions[i]!;
          const end = Math.min(records, position + (rounds > 100 ? 1 : wanted[partition]!));
          if (end === position) return [];
          const duplicates = Math.max(0, Math.min(end, markers[partition]!) - position);
          positions[i] = end;
          markers[partition] = Math.max(markers[partition]!, end);
          return [{ partition, position, end, duplicates }];
        });
        if (ranges.length > 0)
          batches.push({ layout, chain, sequence: sequence++, startId: `${(step * 7) % 10}-${step}`, ranges });
      }
    }
  }
  return batches;
}

async function checkScenario(each: Scenario): Promise<void> {
  const rig = await LakeRig.open();
  const alarms: string[] = [];
  const plan = {
    limits: { segments: each.limit, rows: 1_000, bytes: 1e6 },
    holeWaitMs: Infinity,
    onAlarm: (message: string) => void alarms.push(message),
  };
  try {
    const waiting = batchesOf(each);
    for (const pick of each.order) {
      if (waiting.length === 0) break;
      if (pick % 8 === 0) {
        await rig.rollUpAll(plan);
        const seen = await rig.visible();
        expect(new Set(seen).size).toBe(seen.length);
      }
      const [batch] = waiting.splice(pick % waiting.length, 1);
      await rig.deliverBatch(batch!);
      // A sink's answer can be lost.
      if (pick % 3 === 0) await rig.deliverBatch(batch!);
    }
    for (const batch of waiting) await rig.deliverBatch(batch);
    expect((await rig.rollUpAll(plan)).holes).toEqual([]);
    expect(await rig.visible()).toEqual(partitions.flatMap((partition) => keys(0, records, partition)));
    expect(await rig.segments()).toEqual([]);
    expect(alarms).toEqual([]);
  } finally {
    await rig.close();
  }
}
