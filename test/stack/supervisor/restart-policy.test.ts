import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { restartDelayMs } from '../../../stack/supervisor/restart-policy.ts';

const policy = { delayMsMin: 500, delayMsMax: 3_000, deathsMax: 5, windowMs: 60_000 };

describe('the restart policy', () => {
  it('doubles its delay up to the most, then gives up', () => {
    const deaths = [0, 1_000, 2_000, 3_000, 4_000, 5_000];
    expect(deaths.map((_, index) => restartDelayMs(deaths.slice(0, index + 1), policy))).toEqual([
      500,
      1_000,
      2_000,
      3_000,
      3_000,
      undefined,
    ]);
  });

  it('forgets deaths outside its window', () => {
    expect(restartDelayMs([0, 1, 2, 3, 4, 60_004], policy)).toBe(500);
  });

  it('gives up exactly when more deaths than allowed lie in the window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 30 }), (times) => {
        const deaths = times.toSorted((a, b) => a - b);
        const recent = deaths.filter((time) => time > deaths.at(-1)! - policy.windowMs).length;
        const delayMs = restartDelayMs(deaths, policy);
        expect(delayMs === undefined).toBe(recent > policy.deathsMax);
        if (delayMs !== undefined) expect(delayMs).toBeLessThanOrEqual(policy.delayMsMax);
      }),
    );
  });
});
