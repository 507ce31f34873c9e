import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { systemClock } from '../../bridge/clock.ts';
import { ScoringLimiter, scoredAtOnce } from '../../bridge/scoring-limiter.ts';

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const settled = () => pass(0);

/** Names of batches, in the order of their turns, and how each ends its own. */
let had: string[];
let ends: Map<string, () => void>;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  // At 0 the budget would have no pause behind it, and no burst before it.
  vi.advanceTimersByTime(10_000);
  [had, ends] = [[], new Map()];
});
afterEach(() => void vi.useRealTimers());

/** Each chain has a signal of its own. */
const never = () => new AbortController().signal;

function ask(name: string, turns: { take(signal: AbortSignal): Promise<() => void> }, signal = never()): void {
  void turns.take(signal).then((end) => {
    had.push(name);
    ends.set(name, end);
  });
}

async function end(name: string): Promise<void> {
  ends.get(name)!();
  await settled();
}

test('on two cores the next one has its turn when the one before is scored, first come, first served', async () => {
  const turns = new ScoringLimiter(systemClock, 1);
  for (const name of ['a', 'b', 'c']) ask(name, turns);
  await settled();
  expect(had).toEqual(['a']);
  await end('a');
  expect(had).toEqual(['a', 'b']);
  await end('b');
  await end('c');
  ask('d', turns);
  await settled();
  expect(had).toEqual(['a', 'b', 'c', 'd']);
});

test.each([
  [1, 1],
  [3, 1],
  [4, 2],
  [9, 4],
])('%i cores: %i side by side', async (cores, sideBySide) => {
  const turns = new ScoringLimiter(systemClock, scoredAtOnce('127.0.0.1:7233', cores));
  for (let i = 0; i < 9; i++) ask(`${i}`, turns);
  await settled();
  expect(had).toHaveLength(sideBySide);
});

test.each(['temporal.example:7233', 'temporal:7233', '10.0.0.7:7233'])(
  'any number where Temporal is on another machine: %s',
  (address) => {
    expect(scoredAtOnce(address, 2)).toBe(Infinity);
  },
);

test("one that takes long holds up the next for a tenth of a second, and what it says later takes nobody else's turn", async () => {
  const turns = new ScoringLimiter(systemClock, 1);
  for (const name of ['slow', 'b', 'c']) ask(name, turns);
  await pass(99);
  expect(had).toEqual(['slow']);
  await pass(1);
  expect(had).toEqual(['slow', 'b']);
  await end('slow');
  await end('slow');
  expect(had).toEqual(['slow', 'b']);
  await end('b');
  expect(had).toEqual(['slow', 'b', 'c']);
});

/** One that has its turn, one whose signal can be aborted, and one behind it. */
async function threeAsk(): Promise<AbortController> {
  const turns = new ScoringLimiter(systemClock, 1);
  const givenUp = new AbortController();
  ask('a', turns);
  ask('given up', turns, givenUp.signal);
  ask('c', turns);
  await settled();
  return givenUp;
}

test('whoever is given up leaves the line, and does not keep a turn', async () => {
  const givenUp = await threeAsk();
  givenUp.abort();
  await settled();
  expect(had).toEqual(['a', 'given up']);
  await end('given up');
  expect(had).not.toContain('c');
  await end('a');
  expect(had).toEqual(['a', 'given up', 'c']);
});

test.each([0, 1, 2, 3])('nor when it is given up in the moment that it has its turn (%i)', async (microtasks) => {
  const givenUp = await threeAsk();
  ends.get('a')!();
  for (let i = 0; i < microtasks; i++) await Promise.resolve();
  givenUp.abort();
  await settled();
  await pass(100);
  expect(had.at(-1)).toBe('c');
});

test('the budget gives small batches turns, and full ones wait for none', async () => {
  const budget = new Budget(systemClock, 1_000, { turns: new ScoringLimiter(systemClock, 1) });
  const take = (isFull: boolean) => ({ take: (signal: AbortSignal) => budget.acquire(signal, () => isFull) });
  for (const name of ['small', 'small too']) ask(name, take(false));
  for (const name of ['full', 'full too']) ask(name, take(true));
  await pass(0);
  expect(had.toSorted()).toEqual(['full', 'full too', 'small']);
  await end('full');
  expect(had).not.toContain('small too');
  await end('small');
  expect(had).toContain('small too');
});

test('the budget spreads all of them over the second, small or full', async () => {
  const waits: number[] = [];
  const budget = new Budget(
    { nowMs: () => 10_000, wallMs: () => 10_000, sleep: (ms) => Promise.resolve(void waits.push(ms)) },
    100,
    { burst: 1 },
  );
  for (const isFull of [false, true, true, false]) (await budget.acquire(never(), () => isFull))();
  expect(waits).toEqual([10, 20, 30]);
});
