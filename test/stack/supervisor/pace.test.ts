import { expect, test } from 'vitest';
import { settings } from '../../../contracts/schemas/settings.ts';
import { embeddedPace } from '../../../stack/supervisor/index.ts';

test('the pace of one machine grows with its cores, up to the default of a bridge', () => {
  expect([1, 2, 3, 4, 64].map(embeddedPace)).toEqual([8, 16, 24, 30, 30]);
  expect(settings.bridge.batchesPerSecond.schema.parse(undefined)).toBe(embeddedPace(64));
});
