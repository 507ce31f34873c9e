import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { longest, placeOf } from '../../scripts/longest-first.ts';

test('files that take minutes are there, and come before all others', () => {
  expect(longest.filter((path) => !existsSync(join(import.meta.dirname, '..', '..', path)))).toEqual([]);
  const files = [
    'test/bridge/lane.test.ts',
    'test/live/models.test.ts',
    'test/faults/selection.test.ts',
    'test/tidy.test.ts',
  ];
  expect(files.toSorted((a, b) => placeOf(a) - placeOf(b))).toEqual([
    'test/faults/selection.test.ts',
    'test/live/models.test.ts',
    'test/bridge/lane.test.ts',
    'test/tidy.test.ts',
  ]);
});
