import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { watchClock } from '../../kafka/clock-watch.ts';

const hour = 3_600_000;

describe('the clock of the bridge', () => {
  beforeEach(() => {
    vi.resetModules();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1, 10) });
  });
  afterEach(() => void vi.useRealTimers());

  test('does not go back when the wall clock does: a budget would wait for as long', async () => {
    const { systemClock } = await import('../../bridge/clock.ts');
    const { Budget } = await import('../../bridge/budget.ts');
    const waits: number[] = [];
    const budget = new Budget({ ...systemClock, sleep: async (ms) => void waits.push(ms) }, 10, { burst: 1 });
    const signal = new AbortController().signal;
    await budget.acquire(signal, () => false);
    vi.setSystemTime(Date.UTC(2026, 0, 1, 9));
    for (let i = 0; i < 3; i++) await budget.acquire(signal, () => false);
    expect(waits.length).toBeGreaterThan(0);
    expect(Math.max(...waits)).toBeLessThanOrEqual(300);
  });
});

describe('watchClock', () => {
  let wallMs = 0;
  let nowMs = 0;
  let told: number[];
  let stop: () => void;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    [wallMs, nowMs, told] = [Date.UTC(2026, 0, 1), 5_000, []];
    stop = watchClock((byMs) => told.push(byMs), {
      leastMs: 3_000,
      everyMs: 1_000,
      wallMs: () => wallMs,
      nowMs: () => nowMs,
    });
  });
  afterEach(() => {
    stop();
    vi.useRealTimers();
  });

  /** A second passes; the wall clock is set by so much meanwhile. */
  function second(stepMs = 0): void {
    nowMs += 1_000;
    wallMs += 1_000 + stepMs;
    vi.advanceTimersByTime(1_000);
  }

  test('tells of each step back, once, and by how much', () => {
    second();
    second(-hour);
    second();
    second(-5_000);
    expect(told).toEqual([hour, 5_000]);
  });

  test('says nothing of steps forward, small ones, and a clock that is slowed down', () => {
    second(hour);
    second(-2_999);
    for (let i = 0; i < 100; i++) second(-100);
    expect(told).toEqual([]);
  });

  test('says nothing any more when it was ended', () => {
    stop();
    second(-hour);
    expect(told).toEqual([]);
  });
});
