import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { systemClock } from '../../bridge/clock.ts';
import { autoLinger, autoLingerMsMax, Linger } from '../../bridge/linger.ts';
import { Random } from '../simulation/random.ts';

const never = new AbortController().signal;
const notFull = () => false;

describe('the policy of auto', () => {
  test('batches start at four times what one takes, or more often where several are scored side by side', () => {
    expect(autoLinger(1_000, 0, 40, 1)).toEqual({ waitMs: 0, freeMs: 1_160 });
    expect(autoLinger(1_010, 1_160, 40, 1)).toEqual({ waitMs: 150, freeMs: 1_320 });
    expect(autoLinger(1_000, 0, 40, 4)).toEqual({ waitMs: 0, freeMs: 1_040 });
  });

  test('one that comes after a pause does not wait, and nothing does where batches take none of the cores', () => {
    expect(autoLinger(5_000, 1_160, 40, 1).waitMs).toBe(0);
    expect(autoLinger(1_000, 1_000, 40, Infinity)).toEqual({ waitMs: 0, freeMs: 1_000 });
  });

  test('however long batches take and however many wait, none waits beyond the bound, nor does the debt grow', () => {
    const random = new Random(1);
    let [nowMs, freeMs] = [0, 0];
    for (let i = 0; i < 10_000; i++) {
      nowMs += random.whole(0, 500);
      const scoredMs = random.whole(0, 3_000);
      const next = autoLinger(nowMs, freeMs, scoredMs, 1);
      expect(next.waitMs).toBeGreaterThanOrEqual(0);
      expect(next.waitMs).toBeLessThanOrEqual(autoLingerMsMax);
      expect(next.freeMs - nowMs).toBeLessThanOrEqual(autoLingerMsMax + 4 * scoredMs);
      freeMs = next.freeMs;
    }
  });
});

describe('waiting', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    vi.advanceTimersByTime(10_000);
  });
  afterEach(() => void vi.useRealTimers());

  /** Asks, and says whether the wait is over. */
  function ask(linger: Linger, isFull: () => boolean = notFull, signal = never) {
    const asked = { isOver: false };
    void linger.wait(signal, isFull).then(() => (asked.isOver = true));
    return asked;
  }
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  test('so long as is set', async () => {
    const asked = ask(new Linger(systemClock, 300, 1));
    await pass(299);
    expect(asked.isOver).toBe(false);
    await pass(1);
    expect(asked.isOver).toBe(true);
  });

  test.each([0, 'auto'] as const)('%s: the first batch starts at once', async (setting) => {
    const asked = ask(new Linger(systemClock, setting, 1));
    await pass(0);
    expect(asked.isOver).toBe(true);
  });

  test('auto follows the time of batches, and one that took minutes counts as a second', async () => {
    const linger = new Linger(systemClock, 'auto', 1);
    linger.scored(50);
    ask(linger);
    const second = ask(linger);
    await pass(199);
    expect(second.isOver).toBe(false);
    await pass(1);
    expect(second.isOver).toBe(true);
    await pass(1_000);
    linger.scored(180_000);
    ask(linger);
    const afterIt = ask(linger);
    // 50 + (1,000 - 50) / 10, four times.
    await pass(579);
    expect(afterIt.isOver).toBe(false);
    await pass(1);
    expect(afterIt.isOver).toBe(true);
  });

  test('a batch that is full does not wait, nor one that becomes full', async () => {
    const linger = new Linger(systemClock, 1_000, 1);
    let isFull = false;
    const asked = ask(linger, () => isFull);
    const full = ask(linger, () => true);
    linger.recheck();
    await pass(0);
    expect([asked.isOver, full.isOver]).toEqual([false, true]);
    isFull = true;
    linger.recheck();
    await pass(0);
    expect(asked.isOver).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a lane that is over does not wait on, and leaves nothing behind', async () => {
    const linger = new Linger(systemClock, 1_000, 1);
    const over = new AbortController();
    const asked = ask(linger, notFull, over.signal);
    over.abort();
    await pass(0);
    expect(asked.isOver).toBe(true);
    expect(ask(linger, notFull, over.signal)).toBeDefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('the budget measures batches that are not full, from their start until they are scored', async () => {
    const linger = new Linger(systemClock, 'auto', 1);
    const scored = vi.spyOn(linger, 'scored');
    const budget = new Budget(systemClock, 1_000, { linger });
    const endFull = await budget.acquire(never, () => true);
    const end = await budget.acquire(never, notFull);
    await pass(40);
    endFull();
    end();
    expect(scored.mock.calls).toEqual([[40]]);
  });
});
