import { expect, test } from 'vitest';
import { StateCache } from '../../features/state-cache.ts';

const state = (numbers: number) => new Float64Array(numbers).fill(1);

test('keeps no more than it may: what was kept first goes first', () => {
  const cache = new StateCache(3_000);
  for (const key of ['a', 'b', 'c', 'd']) cache.set(key, state(100));
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined)).toEqual([false, false, true, true]);
  // One that grows counts with what it is now.
  cache.set('d', state(300));
  expect([cache.get('c'), cache.get('d')?.length]).toEqual([undefined, 300]);
});

test('counts what was deleted no more', () => {
  const cache = new StateCache(3_000);
  for (const key of ['a', 'b']) cache.set(key, state(100));
  cache.delete('a');
  cache.delete('a');
  cache.set('c', state(100));
  expect([cache.get('b')?.length, cache.get('c')?.length]).toEqual([100, 100]);
  cache.clear();
  for (const key of ['d', 'e']) cache.set(key, state(100));
  expect(['b', 'c', 'd', 'e'].map((key) => cache.get(key)?.length)).toEqual([undefined, undefined, 100, 100]);
});
