import { expect, test } from 'vitest';
import { decideMsMax, scoringTimeoutMs } from '../../contracts/scoring-time.ts';

test('features wait for decisions a little longer than one call of the model may take', () => {
  for (const isLocal of [true, false])
    expect(decideMsMax({ modelDeadlineMs: 2_000, isLocal, tookMs: 300 })).toBeGreaterThan(2_000);
  expect(decideMsMax({ modelDeadlineMs: 10_000, isLocal: false, tookMs: 300 })).toBeGreaterThan(10_000);
});

test('and no try goes beyond its time-out, whatever deadline is set', () => {
  for (const modelDeadlineMs of [10, 2_000, 10_000, 60_000]) {
    for (const tookMs of [0, 300, 3_600, 29_000]) {
      const here = decideMsMax({ modelDeadlineMs, isLocal: true, tookMs });
      const durably = decideMsMax({ modelDeadlineMs, isLocal: false, tookMs });
      expect(Math.min(here, durably)).toBeGreaterThanOrEqual(0);
      expect(here === 0 || tookMs + here < scoringTimeoutMs.here).toBe(true);
      expect(durably === 0 || tookMs + durably < scoringTimeoutMs.durably).toBe(true);
    }
  }
});
