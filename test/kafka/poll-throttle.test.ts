import type { Consumer } from 'kafkajs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PollThrottle } from '../../kafka/poll-throttle.ts';

let answered: () => void;
let polls: PollThrottle;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const consumer = {
    events: { FETCH: 'consumer.fetch' },
    on: (name: string, listener: () => void) => void (name === 'consumer.fetch' && (answered = listener)),
  };
  polls = new PollThrottle(consumer as unknown as Consumer);
});

afterEach(() => void vi.useRealTimers());

/** Lets the turn of the event loop end, with what it left for the next one. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Tells in which order promises resolve. */
function story(): { lines: string[]; add(what: string, when: Promise<void>): void } {
  const lines: string[] = [];
  return { lines, add: (what, when) => void when.then(() => lines.push(what)) };
}

test('a consumer that does not rest is not waited for', async () => {
  const { lines, add } = story();
  add('polled', polls.poll());
  await Promise.resolve();
  expect(lines).toEqual(['polled']);
});

test('a poll ends the rest of all handlers, and resolves in the turn after its answer', async () => {
  const { lines, add } = story();
  add('rested', polls.rest());
  add('rested, too', polls.rest());
  add('polled', polls.poll());
  add('polled for another lane', polls.poll());
  await Promise.resolve();
  expect(lines).toEqual(['rested', 'rested, too']);
  answered();
  queueMicrotask(() => lines.push('handed on'));
  await turn();
  expect(lines).toEqual(['rested', 'rested, too', 'handed on', 'polled', 'polled for another lane']);
});

test("a poll that brings nothing is waited for ten milliseconds, and later answers are nobody's", async () => {
  const { lines, add } = story();
  add('rested', polls.rest());
  add('polled', polls.poll());
  await vi.advanceTimersByTimeAsync(9);
  expect(lines).toEqual(['rested']);
  await vi.advanceTimersByTimeAsync(1);
  expect(lines).toEqual(['rested', 'polled']);
  answered();
  add('rested again', polls.rest());
  await turn();
  expect(lines).toEqual(['rested', 'polled']);
});

test('a rest ends by itself, or when it is woken', async () => {
  const { lines, add } = story();
  add('woken', polls.rest());
  polls.wake();
  await Promise.resolve();
  add('ended by itself', polls.rest());
  await vi.advanceTimersByTimeAsync(99);
  expect(lines).toEqual(['woken']);
  await vi.advanceTimersByTimeAsync(1);
  expect(lines).toEqual(['woken', 'ended by itself']);
});

test('so many handlers rest at most that others still get theirs', async () => {
  const { lines, add } = story();
  for (let handler = 0; handler < 40; handler++) add(`${handler}`, polls.rest());
  await Promise.resolve();
  expect(lines).toEqual(['32', '33', '34', '35', '36', '37', '38', '39']);
});
