import { describe, expect, test } from 'vitest';
import { Shares } from '../../lib/shares.ts';

const take = (shares: Shares, party: string, times: number) =>
  Array.from({ length: times }, () => shares.tryAcquire(party)).filter(Boolean).length;

describe('Shares', () => {
  test('one party gets its own part and all that is common, and every other one still its own part', () => {
    const shares = new Shares(20, 5);
    expect(take(shares, 'hangs', 100)).toBe(12);
    for (const party of ['a', 'b', 'c', 'd']) expect(take(shares, party, 100)).toBe(2);
    expect(shares.takenBy('hangs')).toBe(12);
  });

  test('what is given back can be taken again: the common part first', () => {
    const shares = new Shares(8, 2);
    expect(take(shares, 'a', 100)).toBe(6);
    expect(take(shares, 'b', 100)).toBe(2);
    shares.release('a');
    expect(take(shares, 'b', 100)).toBe(1);
    for (let i = 0; i < 3; i++) shares.release('b');
    expect(take(shares, 'a', 100)).toBe(1);
    expect(take(shares, 'b', 100)).toBe(2);
  });

  test('each party has at least one place, however many there are', () => {
    const shares = new Shares(2, 3);
    expect(['a', 'b', 'c'].map((party) => take(shares, party, 9))).toEqual([1, 1, 1]);
  });
});
