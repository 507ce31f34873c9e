import { describe, expect, test } from 'vitest';
import { regressionSeeds } from './regression-seeds.ts';
import { simulate, type Outcome } from './simulate.ts';
import { sometimes } from './sometimes.ts';

const schedules = Number(process.env['SIMULATION_SCHEDULES'] ?? 10_000);
const onlySeed = process.env['SIMULATION_SEED'];
const minuteMs = 60_000;
/** Enough to see whether it is one bug or many. */
const failuresMax = 5;

/** The violations of a schedule with its story. Empty when all was well. */
async function failureOf({ seed, violations }: Outcome): Promise<string> {
  if (violations.length === 0) return '';
  const { lines } = await simulate(seed, { isTold: true });
  return [
    `schedule ${seed} violates`,
    ...violations.map((what) => `  ${what}`),
    `replay it: SIMULATION_SEED=${seed} npx vitest run test/simulation/simulation.test.ts`,
    ...lines,
  ].join('\n');
}

describe('the simulation', () => {
  // None, rather than a skipped one, where no seed is given: skipped tests are counted as not run.
  test.each(onlySeed ? [Number(onlySeed)] : [])('schedule %i, told', async (seed) => {
    const outcome = await simulate(seed, { isTold: true });
    process.stdout.write(`${outcome.lines.join('\n')}\n`);
    expect(outcome.violations).toEqual([]);
  });

  test.skipIf(onlySeed).each(regressionSeeds)('seed $seed: $showed', async ({ seed, mutant }) => {
    expect(await failureOf(await simulate(seed))).toBe('');
    expect((await simulate(seed, { mutant })).violations, 'the bug, when it is brought back').not.toEqual([]);
  });

  test.skipIf(onlySeed)('tells the same story of a seed each time', async () => {
    for (const seed of [1, 2, 3]) {
      const { lines, steps } = await simulate(seed, { isTold: true });
      expect(lines.length).toBeGreaterThan(20);
      expect(await simulate(seed, { isTold: true })).toMatchObject({ lines, steps });
    }
  });

  test.skipIf(onlySeed)(
    `${schedules} schedules: nothing lost, nothing twice, in order; and every fault has bitten`,
    async () => {
      const counts = new Map<string, number>();
      const failed: Outcome[] = [];
      for (let seed = 0; seed < schedules && failed.length < failuresMax; seed++) {
        const outcome = await simulate(seed);
        for (const [what, count] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + count);
        if (outcome.violations.length > 0) failed.push(outcome);
      }
      if (failed.length > 0)
        expect.fail(
          `schedules ${failed.map(({ seed }) => seed).join(', ')} fail; the first one:\n${await failureOf(failed[0]!)}`,
        );
      const tooSeldom = Object.entries(sometimes).filter(
        ([what, least]) => (counts.get(what) ?? 0) < (least * schedules) / 10_000,
      );
      expect(
        tooSeldom.map(
          ([what, least]) => `${what}: ${counts.get(what) ?? 0} times, at least ${least} of 10,000 schedules`,
        ),
      ).toEqual([]);
    },
    (schedules / 10_000) * 15 * minuteMs + minuteMs,
  );
});
