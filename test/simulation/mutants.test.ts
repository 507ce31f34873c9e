import { describe, expect, test } from 'vitest';
import type { Mutant } from './mutants.ts';
import { simulate } from './simulate.ts';

/** Each planted bug, and what it must break. A bug that the simulation does not find shows that it would not find a real one either. */
const planted: { mutant: Mutant; bug: string; breaks: RegExp }[] = [
  { mutant: { commitBeforeStart: true }, bug: 'commits before the start is durable', breaks: /^I[14]:/ },
  { mutant: { adoptLocalEnd: true }, bug: 'goes on from the end it had cut itself', breaks: /^I[134]:/ },
  { mutant: { unguarded: true }, bug: 'an older assignment goes on acting in the next one', breaks: /^I[14]:/ },
  { mutant: { fromEnd: true }, bug: 'goes on from the end of the log when an offset is out of range', breaks: /^I1:/ },
  { mutant: { allowDuplicate: true }, bug: 'starts a second run where one has closed', breaks: /^I[123]:/ },
  { mutant: { reapply: true }, bug: 'folds a batch again that comes again', breaks: /^I[56]:/ },
  {
    mutant: { forgetsRuns: true },
    bug: 'walks a chain again from its beginning when the commit is gone',
    breaks: /^I[1-6]:/,
  },
  { mutant: { namelessStarts: true }, bug: 'decides the last batch again when its run has expired', breaks: /^I2:/ },
];

const schedulesMax = 1_500;

describe('the simulation finds planted bugs:', () => {
  test.each(planted)('$bug', async ({ mutant, breaks }) => {
    for (let seed = 0; seed < schedulesMax; seed++) {
      const { violations } = await simulate(seed, { mutant });
      if (violations.some((what) => breaks.test(what))) return;
    }
    expect.fail(`not found in ${schedulesMax} schedules`);
  });
});
