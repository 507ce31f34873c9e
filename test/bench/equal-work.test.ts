import { expect, test } from 'vitest';
import { assertAll } from '../../bench/equal-work-places.ts';

test('a loop that leaves an event out anywhere, or writes one twice, has no figure', () => {
  expect(() => assertAll(3, { Postgres: 3, 'the lake': 3 })).not.toThrow();
  expect(() => assertAll(3, { Postgres: 3, 'the lake': 2, 'the decisions topic': 4 })).toThrow(
    /: the lake: 2 of 3, the decisions topic: 4 of 3$/,
  );
});
