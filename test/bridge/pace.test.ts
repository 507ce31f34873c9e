import { expect, test } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { busyMs, Pace } from '../../bridge/pace.ts';

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
  // Busy for half of all time before; then for 1.9 of two cores' seconds, twice.
  const looks = [10_000, 11_900, 13_800];
  let nowMs = 10_000;
  const sleep = (ms: number) => {
    nowMs += ms;
    if (looks.length === 1) ending.abort();
    return Promise.resolve();
  };
  await pace.follow({ nowMs: () => nowMs, sleep }, ending.signal, () => looks.shift()!, 2);
  expect(nowMs).toBe(12_000);
  expect(pace.perSecond).toBeCloseTo(16 * 0.9 * 0.9);
});

test('this machine says how long its cores were busy', () => {
  const before = busyMs();
  const beganMs = performance.now();
  while (performance.now() - beganMs < 300);
  expect(busyMs() - before).toBeGreaterThan(100);
});

test('the budget gives small batches turns at the pace; full ones wait for the most only, and not for small ones', async () => {
  const waits: number[] = [];
  const budget = new Budget({ nowMs: () => 10_000, sleep: (ms) => Promise.resolve(void waits.push(ms)) }, 100, () => 10, 1);
  for (let small = 0; small < 4; small++) await budget.acquire(never, false);
  await budget.acquire(never, true);
  await budget.acquire(never, true);
  await budget.acquire(never, false);
  expect(waits).toEqual([100, 200, 300, 40, 50, 400]);
});
