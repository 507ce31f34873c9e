import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { compileFeatures, foldBatch, MemoryStore } from '../../features/index.ts';
import { inARow, WatermarkFold, type Watermark } from '../../features/watermark.ts';
import { watermarks } from '../watermark-oracle.ts';
import { cuts, strayLog } from './arbitrary.ts';
import { naiveRows } from './oracle.ts';
import { applyRange, batchOf, eventsOf, payments, rowsByOffset, type Payment } from './support.ts';

const plan = compileFeatures(payments);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2018, 3, 1);
const today = Date.UTC(2026, 10, 30);
const steady = (count: number, from = start) => Array.from({ length: count }, (_, i) => from + i * minute);

/** Follows events with one day of allowed lateness, as it is by default. */
function follow(timesMs: readonly number[], { clockMs = Infinity, latenessMs = day } = {}) {
  const watermark = new WatermarkFold({ watermarkMs: null }, latenessMs);
  return {
    places: timesMs.map((timeMs) => watermark.next(timeMs, clockMs)),
    ms: watermark.ms,
    believedMs: watermark.believedMs,
  };
}

describe('one event from the far future', () => {
  test.each<[string, number[]]>([
    ['among others', [...steady(100), today, ...steady(100, start + hour)]],
    ['the very first one', [today, ...steady(100)]],
    ['the second one', [start, today, ...steady(100)]],
    ['twenty in a row', [...steady(100), ...steady(20, today), ...steady(100, start + hour)]],
    ['every other one', steady(200).flatMap((timeMs) => [timeMs, today])],
    [
      'two hours ahead, where twenty seconds of lateness are allowed',
      [...steady(50), start + 3 * hour, ...steady(50, start + 50 * minute)],
    ],
  ])('makes no other late: %s', (_, timesMs) => {
    const { places, ms } = follow(timesMs, { latenessMs: timesMs.includes(start + 3 * hour) ? 20_000 : day });
    expect(places).not.toContain('late');
    expect(ms).toBeLessThan(start + day);
  });

  test('is told', () => {
    expect(follow([...steady(40), today]).places.at(-1)).toBe('ahead');
  });

  test('moves nothing that is believed when it is the first of all: nothing is forgotten by it', () => {
    expect(follow([today, start]).believedMs).toBeNull();
    expect(follow(steady(inARow)).believedMs).toBe(steady(inARow).at(-1));
  });

  test('within the allowance of a clock does not move the watermark beyond the clock', () => {
    const clockMs = start + 200 * minute;
    const { places, ms } = follow([...steady(100), clockMs + 12 * hour, ...steady(100, start + 100 * minute)], {
      clockMs,
      latenessMs: minute,
    });
    expect([places.includes('late'), ms]).toEqual([false, start + 199 * minute]);
  });
});

describe('a watermark', () => {
  test('follows a gap in time when 32 events in a row lie behind it, and not before', () => {
    const later = steady(inARow, start + 30 * day);
    expect(follow([...steady(100), ...later.slice(1)]).ms).toBe(start + 99 * minute);
    expect(follow([...steady(100), ...later]).ms).toBe(later[0]);
    expect(follow([...steady(100), ...later, later[31]! + minute, start]).places.at(-1)).toBe('late');
  });

  test('follows a sparse topic, 31 events behind', () => {
    expect(follow(Array.from({ length: 100 }, (_, i) => start + i * 7 * day)).ms).toBe(start + 65 * 7 * day);
  });

  test('marks what is older than allowed, from the second event on', () => {
    expect(follow([start + day, start, start - 1]).places).toEqual([undefined, undefined, 'late']);
  });

  test('takes clocks that differ by minutes, and fractions of milliseconds, as ever', () => {
    const { places, ms } = follow(
      steady(100).flatMap((timeMs) => [timeMs + 0.5, timeMs - 9 * minute, timeMs + 7 * minute]),
      { latenessMs: 30 * minute },
    );
    expect([new Set(places), ms]).toEqual([new Set([undefined]), start + 106 * minute]);
  });

  test('is what a look at all earlier events says, whatever comes, and wherever it was stored in between', () => {
    const time = fc.oneof(
      fc.integer({ min: 0, max: 3 * hour }),
      fc.constantFrom(0.5, 2 * hour, 9 * day, 400 * day, 8 * 365 * day),
    );
    const times = fc
      .array(fc.tuple(time, fc.integer({ min: 1, max: 40 })), { maxLength: 12 })
      .map((runs) => runs.flatMap(([timeMs, count]) => Array.from({ length: count }, (_, i) => start + timeMs + i)));
    fc.assert(
      fc.property(
        times,
        fc.constantFrom(0, minute, hour, day),
        fc.option(time, { nil: undefined }),
        fc.nat(20),
        (timesMs, latenessMs, clock, every) => {
          const clockMs = clock === undefined ? Infinity : start + clock;
          const expected = watermarks(
            timesMs,
            latenessMs,
            timesMs.map(() => clockMs),
          );
          let state: Watermark = { watermarkMs: null };
          timesMs.forEach((timeMs, i) => {
            const watermark = new WatermarkFold(state, latenessMs);
            const late = watermark.next(timeMs, clockMs) === 'late';
            expect({ late, watermarkMs: watermark.ms, believed: watermark.believedMs !== null }, `event ${i}`).toEqual(
              expected[i],
            );
            if (i % (every + 1) === 0) state = JSON.parse(JSON.stringify(watermark.state)) as Watermark;
            else state = watermark.state;
          });
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('features with events that stray in time', () => {
  test('are what a look at all earlier events gives, however the log is cut into batches', async () => {
    const logAndCuts = strayLog.chain((log) => fc.tuple(fc.constant(log), cuts(log.length)));
    await fc.assert(
      fc.asyncProperty(logAndCuts, async ([log, ranges]) => {
        const store = new MemoryStore();
        const rows = [];
        for (const { position, end } of ranges)
          rows.push(...rowsByOffset(await applyRange(store, plan, log, batchOf(position, end))).values());
        expect(rows).toEqual(naiveRows(log));
      }),
      { numRuns: 200 },
    );
  });

  test('of everybody else, and of its own card later, are as if the one from the far future had never come', async () => {
    const log = Array.from(
      { length: 120 },
      (_, i): Payment => ({ id: `p${i}`, timeMs: start + i * 1_000, card: i % 2 ? 'a' : 'b', shop: 'x', amount: 1 }),
    );
    const far = { id: 'far', timeMs: today, card: 'a', shop: 'x', amount: 1_000 };
    const rows = async (payments: Payment[]) => {
      const store = new MemoryStore();
      const all = [
        ...rowsByOffset(await applyRange(store, plan, payments, batchOf(0, 60))).values(),
        ...rowsByOffset(await applyRange(store, plan, payments, batchOf(60, payments.length))).values(),
      ];
      return all.filter((_, offset) => payments[offset] !== far);
    };
    for (const at of [0, 1, 70]) expect(await rows(log.toSpliced(at, 0, far)), `at ${at}`).toEqual(await rows(log));
  });

  test('of an entity with very many events blur as before', async () => {
    const small = compileFeatures(payments, { panesMax: 30 });
    const log = Array.from(
      { length: 200 },
      (_, i): Payment => ({ id: `p${i}`, timeMs: start + i * 1_000, card: 'a', shop: 'x', amount: 1 }),
    );
    const far = { id: 'far', timeMs: today, card: 'a', shop: 'x', amount: 1 };
    const rows = async (payments: Payment[]) =>
      [...rowsByOffset(await applyRange(new MemoryStore(), small, payments, batchOf(0, payments.length))).values()]
        .filter((_, offset) => payments[offset] !== far)
        .map(({ row }) => row[1]!);
    const [without, withFar] = [await rows(log), await rows(log.toSpliced(50, 0, far))];
    const error = (counts: number[]) => Math.max(...counts.slice(60).map((count) => Math.abs(count - 10)));
    expect([error(without), error(withFar)]).toEqual([0, 0]);
  });

  test('tell how many ran ahead', () => {
    const log = [...Array.from({ length: 40 }, (_, i) => start + i), today, today].map(
      (timeMs, i): Payment => ({ id: `p${i}`, timeMs, card: 'a', shop: 'x', amount: 1 }),
    );
    const batch = batchOf(0, log.length);
    const { refusals: none } = { refusals: { counts: {}, first: {}, tolerated: [] } };
    const { result } = foldBatch(
      plan,
      batch,
      log.map((_, i) => i),
      eventsOf(log, batch),
      [],
    )({ markers: [undefined], commitSequence: 1, refusals: none, get: () => undefined });
    expect(decodeFeatures(result).header).toMatchObject({ ahead: 2, late: [], watermarksMs: [start + 39] });
  });
});
