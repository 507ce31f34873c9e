import { expect, it } from 'vitest';
import { exactTimestamp, isoTime, recordTimeMs } from '../../contracts/record-time.ts';

it.each([
  ['the beginning of 1970', 0, '1970-01-01T00:00:00.000Z'],
  ['today', 1_767_225_600_000, '2026-01-01T00:00:00.000Z'],
  ['the end of 9999', 253_402_300_799_999, '9999-12-31T23:59:59.999Z'],
  ['later than that', 253_402_300_800_000, null],
  ['none', -1, null],
  ['microseconds', 1_767_225_600_000_000, null],
  ['nanoseconds', 1_767_225_600_000_000_000, null],
  ['no number', Number.NaN, null],
])('a record time of %s is used or not', (_, timestampMs, iso) => {
  expect(recordTimeMs({ timestampMs })).toBe(iso === null ? undefined : timestampMs);
  expect(isoTime(timestampMs)).toBe(iso);
});

it('keeps all digits of a time', () => {
  expect(exactTimestamp({ timestampMs: -1 })).toBe('-1');
  expect(exactTimestamp({ timestampMs: Number('1767225600000000001'), timestampDigits: '1767225600000000001' })).toBe(
    '1767225600000000001',
  );
});
