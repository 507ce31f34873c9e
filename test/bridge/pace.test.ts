import { expect, test } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { Pace } from '../../bridge/pace.ts';

const never = new AbortController().signal;

test('begins with eight batches a second per core, at most what one bridge may start', () => {
  expect([1, 2, 3, 4, 64].map((cores) => new Pace(30, cores).perSecond)).toEqual([8, 16, 24, 30, 30]);
});

test('idle cores raise the pace up to the most, busy ones lower it to a least, and in between it stays', () => {
  const pace = new Pace(30, 2);
  pace.observe(0.84);
  expect(pace.perSecond).toBe(16);
  pace.observe(0.5);
  expect(pace.perSecond).toBeCloseTo(17.6);
  for (let second = 0; second < 10; second++) pace.observe(0.3);
  expect(pace.perSecond).toBe(30);
  pace.observe(0.95);
  expect(pace.perSecond).toBeCloseTo(27);
  for (let second = 0; second < 60; second++) pace.observe(1);
  expect(pace.perSecond).toBe(8);
});

test('a most below the least of the cores holds', () => {
  const pace = new Pace(3, 2);
  for (let second = 0; second < 60; second++) pace.observe(second % 2);
  expect(pace.perSecond).toBe(3);
});

test('observes how busy the cores were since the last look', async () => {
  const pace = new Pace(30, 2);
  const ending = new AbortController();
  // Busy for half of all time before; then 95 %, 95 %, and a look in which no time had passed.
  const looks = [{ idle: 500, total: 1_000 }, { idle: 510, total: 1_200 }, { idle: 520, total: 1_400 }, { idle: 520, total: 1_400 }];
  let slept = 0;
  const sleep = (ms: number) => {
    slept += ms;
    if (looks.length === 1) ending.abort();
    return Promise.resolve();
  };
  await pace.follow({ nowMs: () => slept, sleep }, ending.signal, () => looks.shift()!);
  expect(slept).toBe(3_000);
  expect(pace.perSecond).toBeCloseTo(16 * 0.9 * 0.9);
});

test('the cores of this machine can be read', async () => {
  const pace = new Pace(30, 2);
  const ending = new AbortController();
  const busyUntil = performance.now() + 50;
  const sleep = () => {
    while (performance.now() < busyUntil);
    ending.abort();
    return Promise.resolve();
  };
  await pace.follow({ nowMs: () => 0, sleep }, ending.signal);
  expect(pace.perSecond).toBeGreaterThan(14);
  expect(pace.perSecond).toBeLessThan(18);
});

test('the budget gives small batches turns at the pace, and full ones at the most', async () => {
  const waits: number[] = [];
  const budget = new Budget({ nowMs: () => 10_000, sleep: (ms) => Promise.resolve(void waits.push(ms)) }, 20, () => 10, 1);
  await budget.acquire(never, false);
  await budget.acquire(never, false);
  await budget.acquire(never, true);
  await budget.acquire(never, true);
  expect(waits).toEqual([100, 150, 200]);
});
