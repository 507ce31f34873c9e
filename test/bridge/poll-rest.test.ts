import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from 'kafkajs';
import { beforeEach, expect, test } from 'vitest';
import { PollRest } from '../../bridge/poll-rest.ts';

let answered: () => void;
let polls: PollRest;

beforeEach(() => {
  const consumer = { events: { FETCH: 'consumer.fetch' }, on: (name: string, listener: () => void) => void (name === 'consumer.fetch' && (answered = listener)) };
  polls = new PollRest(consumer as unknown as Consumer);
});

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
  await delay(1);
  expect(lines).toEqual(['rested', 'rested, too', 'handed on', 'polled', 'polled for another lane']);
});

test('a poll that brings nothing is waited for ten milliseconds, and later answers are nobody\'s', async () => {
  const { lines, add } = story();
  add('rested', polls.rest());
  add('polled', polls.poll());
  await delay(50);
  expect(lines).toEqual(['rested', 'polled']);
  answered();
  add('rested again', polls.rest());
  await delay(1);
  expect(lines).toEqual(['rested', 'polled']);
});

test('a rest ends by itself, or when it is woken', async () => {
  const { lines, add } = story();
  add('woken', polls.rest());
  polls.wake();
  await Promise.resolve();
  add('ended by itself', polls.rest());
  await delay(20);
  expect(lines).toEqual(['woken']);
  await delay(300);
  expect(lines).toEqual(['woken', 'ended by itself']);
});
