import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readManifest, updateManifest } from '../../lake/manifest.ts';
import { planRollUps } from '../../lake/plan.ts';
import { rollUp } from '../../lake/roll-up.ts';
import { keys, LakeRig, type BatchParts } from './lake-rig.ts';

const startMs = Date.UTC(2026, 0, 2, 9, 30);
const row = (offset: number) => ({ eventTimeMs: startMs + (offset % 3) * 3_600_000 });

describe('roll-up of the lake', () => {
  let lake: LakeRig;
  let alarms: string[];
  beforeEach(async () => {
    lake = await LakeRig.open();
    alarms = [];
  });
  afterEach(() => lake.close());
  const onAlarm = (message: string) => void alarms.push(message);
  const minutesLater = (minutes: number) => ({ onAlarm, nowMs: () => Date.now() + minutes * 60_000 });

  it('takes the run of batches that follow one another, and waits for the one that is missing', async () => {
    await lake.deliver(0, 10);
    await lake.deliver(20, 30);
    const { holes } = await lake.rollUpAll(minutesLater(4));
    expect(await lake.visible()).toEqual(keys(0, 10));
    expect(holes).toEqual([
      { pipeline: 'orders', epoch: 0, topic: 'orders', partition: 0, from: 10, to: 20, state: 'waited' },
    ]);
    await lake.deliver(10, 20);
    expect((await lake.rollUpAll(minutesLater(4))).holes).toEqual([]);
    expect(await lake.visible()).toEqual(keys(0, 30));
    expect(alarms).toEqual([]);
  });

  it('raises an alarm after minutes, goes on without the missing batch, and still takes it when it comes', async () => {
    await lake.deliver(0, 10);
    await lake.deliver(20, 30);
    const { holes } = await lake.rollUpAll(minutesLater(6));
    expect(await lake.visible()).toEqual([...keys(0, 10), ...keys(20, 30)]);
    expect(alarms).toEqual([expect.stringMatching(/no segment of pipeline "orders", orders-0, offsets 10 to 20/)]);
    expect(holes).toMatchObject([{ from: 10, to: 20, state: 'passed' }]);
    await lake.deliver(10, 20);
    expect((await lake.rollUpAll({ onAlarm })).holes).toEqual([]);
    expect(await lake.visible()).toEqual(keys(0, 30));
    expect(alarms).toHaveLength(1);
  });

  it('begins a partition with its first range only, wherever that starts', async () => {
    await lake.deliver(110, 120, { first: false });
    expect((await lake.rollUpAll({ onAlarm })).holes).toMatchObject([{ from: undefined, to: 110, state: 'waited' }]);
    expect(await lake.visible()).toEqual([]);
    await lake.deliver(100, 110, { first: true });
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual(keys(100, 120));
    expect(alarms).toEqual([]);
  });

  it('covers batches without rows', async () => {
    await lake.deliver(0, 5);
    await lake.deliver(5, 9, { row: () => null });
    await lake.deliver(9, 12);
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual([...keys(0, 5), ...keys(9, 12)]);
    expect((await readManifest(lake.root, 'orders')).covered).toEqual({ '0/orders/0': [[0, 12]] });
    expect(await lake.segments()).toEqual([]);
  });

  it('removes a segment that comes again, and takes of an overlapping one what is new', async () => {
    await lake.deliver(0, 10);
    await lake.rollUpAll();
    await lake.deliver(0, 10);
    await lake.deliver(2, 6);
    await lake.deliver(8, 14);
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual(keys(0, 14));
    expect(await lake.segments()).toEqual([]);
    expect(alarms).toEqual([expect.stringContaining('overlaps')]);
  });

  it('leaves duplicates to the segment that has their rows, whenever that comes', async () => {
    await lake.deliver(0, 5);
    // Walked again from 5 on: these batches hold nothing, or not all, of what lies in their ranges.
    await lake.deliver(5, 12, { duplicates: 7 });
    await lake.deliver(12, 25, { duplicates: 8 });
    await lake.rollUpAll(minutesLater(6));
    expect(await lake.visible()).toEqual([...keys(0, 5), ...keys(20, 25)]);
    expect(alarms).toEqual([expect.stringMatching(/offsets 5 to 20/)]);
    for (const position of [5, 10, 15]) await lake.deliver(position, position + 5);
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual(keys(0, 25));
    expect(alarms).toHaveLength(1);
    expect(await lake.segments()).toEqual([]);
    expect((await readManifest(lake.root, 'orders')).covered).toEqual({ '0/orders/0': [[0, 25]] });
  });

  it('does not take a first range that is walked again for the beginning of its partition', async () => {
    await lake.deliver(0, 10, { duplicates: 4 });
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual([]);
    await lake.deliver(0, 4, { first: true });
    await lake.rollUpAll({ onAlarm });
    expect(await lake.visible()).toEqual(keys(0, 10));
    expect(alarms).toEqual([]);
  });

  it('takes no more than its limits at once, from every chain its share', async () => {
    for (const partition of [0, 1])
      for (let position = 0; position < 60; position += 10) await lake.deliver(position, position + 10, { partition });
    const limits = { segments: 4, rows: 1_000, bytes: 1e6 };
    const { plans } = await planRollUps({ root: lake.root, limits });
    expect(plans).toMatchObject([
      {
        more: true,
        chains: [
          { chain: 0, segments: [{ take: [[0, 0, 10]] }, { take: [[0, 10, 20]] }] },
          { chain: 1, segments: [{ take: [[1, 0, 10]] }, { take: [[1, 10, 20]] }] },
        ],
      },
    ]);
    expect((await planRollUps({ root: lake.root })).plans, 'the plan stands until it is carried out').toEqual(plans);
    await rollUp({ root: lake.root }, plans[0]!);
    for (const less of [
      { ...limits, segments: 1e3, rows: 20 },
      { ...limits, segments: 1e3, bytes: 1 },
    ]) {
      const [plan] = (await planRollUps({ root: lake.root, limits: less })).plans;
      expect(plan).toMatchObject({
        more: true,
        chains: [{ segments: [expect.anything()] }, { segments: [expect.anything()] }],
      });
      await rollUp({ root: lake.root }, plan!);
    }
    await lake.rollUpAll();
    expect(await lake.visible()).toEqual([...keys(0, 60, 0), ...keys(0, 60, 1)]);
  });

  it('answers the same when it is asked again, with a plan that went through JSON', async () => {
    await lake.deliver(0, 10, { row });
    const [plan] = JSON.parse(JSON.stringify((await planRollUps({ root: lake.root })).plans));
    const first = await rollUp({ root: lake.root }, plan);
    expect(first).toEqual({ rows: 10, files: 3 });
    expect(await rollUp({ root: lake.root }, plan)).toEqual(first);
    await lake.deliver(10, 20);
    await lake.rollUpAll();
    await expect(rollUp({ root: lake.root }, plan)).rejects.toThrow('no longer has this roll-up');
    expect(await lake.visible()).toEqual(keys(0, 20));
  });

  it.each([
    ['head', 20],
    ['body', 60],
  ])('names the segment whose %s is broken, and goes on when its batch is delivered again', async (part, byte) => {
    await lake.deliver(0, 10);
    const [path] = await lake.segments();
    const whole = readFileSync(join(lake.root, path!));
    writeFileSync(join(lake.root, path!), Buffer.from(whole).fill(7, byte, byte + 1));
    const failure = await lake.rollUpAll({ onAlarm }).then(
      () => alarms.join(),
      (error: Error) => error.message,
    );
    expect(failure).toMatch(/0000000000000000-0-10-0\.seg was cut or changed.*npx headrace redrive --again <batch id>/);
    expect(alarms).toHaveLength(part === 'head' ? 1 : 0);
    await lake.deliver(0, 10);
    await lake.rollUpAll();
    expect(await lake.visible()).toEqual(keys(0, 10));
  });

  it('sweeps what a crash left under way, but nothing young', async () => {
    mkdirSync(join(lake.root, 'tmp'));
    for (const name of ['old', 'young']) writeFileSync(join(lake.root, 'tmp', name), '');
    utimesSync(join(lake.root, 'tmp', 'old'), new Date(0), new Date(0));
    await planRollUps({ root: lake.root });
    expect(readdirSync(join(lake.root, 'tmp'))).toEqual(['young']);
  });

  it('never lets a forgotten writer put an old manifest over newer ones', async () => {
    const cover = (to: number) =>
      updateManifest(lake.root, 'orders', async ({ covered }) =>
        (covered['0/orders/0']?.[0]?.[1] ?? 0) >= to ? undefined : { format: 1, covered: { '0/orders/0': [[0, to]] } },
      );
    let asked = 0;
    await updateManifest(lake.root, 'orders', async (manifest) => {
      // Six versions come between this writer's look and its write: its number is taken, given up, and free again.
      if (asked++ === 0) for (let to = 1; to <= 6; to++) await cover(to);
      return manifest.covered['1/orders/0']
        ? undefined
        : { ...manifest, covered: { ...manifest.covered, '1/orders/0': [[0, 1]] } };
    });
    expect(asked).toBeGreaterThan(1);
    expect((await readManifest(lake.root, 'orders')).covered).toEqual({
      '0/orders/0': [[0, 6]],
      '1/orders/0': [[0, 1]],
    });
  });

  describe('crashes', () => {
    const fill = async (rig: LakeRig) => {
      await rig.deliver(0, 4, { row });
      await rig.rollUpAll();
      for (const partition of [0, 1]) await rig.deliver(0, 6, { partition, row });
      await rig.deliver(6, 9, { row });
      const ranges = [
        { partition: 0, position: 9, end: 11 },
        { partition: 1, position: 6, end: 8 },
      ];
      await rig.deliverBatch({ layout: 1, sequence: 0, ranges }, { row });
    };
    const after = async (rig: LakeRig) => {
      const ranges = [{ partition: 0, position: 11, end: 12 }];
      await rig.deliverBatch({ layout: 1, sequence: 1, ranges }, { row });
      await rig.deliver(0, 6, { partition: 1, row });
    };
    const all = [...keys(0, 12, 0), ...keys(0, 8, 1)];

    it('at any step lose nothing and double nothing, for a retry and for a plan made afresh', async () => {
      let steps = 0;
      await fill(lake);
      await lake.rollUpAll({ onStep: () => steps++ }, { onStep: () => steps++ });
      expect(steps).toBeGreaterThan(20);
      for (let failing = 0; failing < steps; failing++) {
        for (const retried of [true, false]) {
          const rig = await LakeRig.open();
          try {
            await fill(rig);
            let step = 0;
            const onStep = () => {
              if (step++ === failing) throw new Error('crash');
            };
            await expect(rig.rollUpAll({ onStep }, { onStep })).rejects.toThrow('crash');
            const seen = await rig.visible();
            expect(new Set(seen).size, `doubled rows after a crash at step ${failing}`).toBe(seen.length);
            expect(all).toEqual(expect.arrayContaining(seen));
            const { pending } = await readManifest(rig.root, 'orders');
            if (retried && pending) await rollUp({ root: rig.root }, pending);
            await after(rig);
            await rig.rollUpAll();
            expect(await rig.visible(), `rows after a crash at step ${failing}`).toEqual(all);
            expect(await rig.segments()).toEqual([]);
          } finally {
            await rig.close();
          }
        }
      }
    }, 120_000);

    it('of one of two workers that carry out one plan at the same time change nothing', async () => {
      await fill(lake);
      const [plan] = (await planRollUps({ root: lake.root })).plans;
      const done = await Promise.allSettled([rollUp({ root: lake.root }, plan!), rollUp({ root: lake.root }, plan!)]);
      expect(done.some(({ status }) => status === 'fulfilled')).toBe(true);
      await after(lake);
      await lake.rollUpAll();
      expect(await lake.visible()).toEqual(all);
    });
  });

  it('shows the same rows once each, however they are split into batches and roll-ups, in whatever order they come', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('again' as const), pick: fc.nat() }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('overlap' as const),
          from: fc.nat(79),
          length: fc.integer({ min: 1, max: 20 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('roll up' as const),
          segments: fc.integer({ min: 1, max: 4 }),
          patient: fc.boolean(),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 79 }), { maxLength: 12 }),
        fc.array(step, { maxLength: 40 }),
        async (cuts, steps) => {
          const rig = await LakeRig.open();
          try {
            const bounds = [...new Set([0, ...cuts, 80])].sort((a, b) => a - b);
            const batches = bounds.slice(1).map((end, i) => [bounds[i]!, end] as const);
            const waiting = [...batches];
            const parts: BatchParts = { row };
            for (const each of steps) {
              if (each.kind === 'deliver' && waiting.length > 0)
                await rig.deliver(...waiting.splice(each.pick % waiting.length, 1)[0]!, parts);
              else if (each.kind === 'again') await rig.deliver(...batches[each.pick % batches.length]!, parts);
              else if (each.kind === 'overlap')
                await rig.deliver(each.from, Math.min(80, each.from + each.length), parts);
              else if (each.kind === 'roll up') {
                await rig.rollUpAll({
                  limits: { segments: each.segments, rows: 1_000, bytes: 1e6 },
                  holeWaitMs: each.patient ? Infinity : 0,
                });
                const seen = await rig.visible();
                expect(new Set(seen).size).toBe(seen.length);
              }
            }
            for (const batch of waiting) await rig.deliver(...batch, parts);
            await rig.rollUpAll({ holeWaitMs: 0 });
            expect(await rig.visible()).toEqual(keys(0, 80));
            expect(await rig.segments()).toEqual([]);
          } finally {
            await rig.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});
