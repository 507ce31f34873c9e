import { expect, test } from 'vitest';
import { settings } from '../../contracts/schemas/settings.ts';

test('a start time that does not exist is refused when the settings are read, not when a partition begins', () => {
  const { schema } = settings.bridge.startAt;
  for (const value of [
    'earliest',
    'latest',
    '2026-01-31T10:00:00Z',
    '2026-01-31T10:00',
    '2024-02-29T24:00:00Z',
    '2026-01-31T10:00+14:00',
  ])
    expect(schema.safeParse(value).success, value).toBe(true);
  for (const value of ['2026-13-45T99:00', '2026-01-31Tnoon', 'soon', '2026-02-30T10:00:00Z', '2025-02-29T10:00'])
    expect(schema.safeParse(value).success, value).toBe(false);
});
