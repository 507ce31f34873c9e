import { expect, test } from 'vitest';
import { decideMsMax, scoringTimeoutMs } from '../../contracts/scoring-time.ts';

test('a score waits for decisions a little longer than one call of the model may take', () => {
  expect(decideMsMax({ modelDeadlineMs: 2_000, tookMs: 300 })).toBeGreaterThan(2_000);
});

test('and never beyond its time-out, whatever deadline is set', () => {
  for (const modelDeadlineMs of [10, 2_000, 10_000, 60_000]) {
    for (const tookMs of [0, 300, 3_600, 29_000]) {
      const waitMs = decideMsMax({ modelDeadlineMs, tookMs });
      expect(waitMs).toBeGreaterThanOrEqual(0);
      expect(waitMs === 0 || tookMs + waitMs < scoringTimeoutMs.here).toBe(true);
    }
  }
});
