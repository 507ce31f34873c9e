import { describe, expect, test } from 'vitest';
import type { Mutant } from './mutants.ts';
import { simulate } from './simulate.ts';

/**
 * Each planted bug, and what it must break. A bug that the simulation does not find shows that it would not find a real one either. Three
 * bugs of chains bring nothing to light here, because the markers of the store make up for them, or because no schedule lasts long enough;
 * they are held by tests of their own: the ranges of a run are taken wherever they begin (test/bridge/chain-progress and
 * chain-partitions), one watermark for all partitions of a chain (test/features/fold-batch and
 * store-partitions), a lane that starves (test/bridge/chain-cut).
 */
const planted: { mutant: Mutant; bug: string; breaks: RegExp; from?: number }[] = [
  { mutant: { commitBeforeStart: true }, bug: 'commits before the start is durable', breaks: /^I[14]:/ },
  { mutant: { adoptLocalEnd: true }, bug: 'goes on from the end it had cut itself', breaks: /^I[134]:/ },
  { mutant: { unguarded: true }, bug: 'an older assignment goes on acting in the next one', breaks: /^I[14]:/ },
  {
    mutant: { fromEnd: true },
    bug: 'goes on from the end of the log when an offset is out of range',
    breaks: /^I1:/,
    from: 400,
  },
  { mutant: { allowDuplicate: true }, bug: 'starts a second run where one has closed', breaks: /^I[123]:/ },
  { mutant: { reapply: true }, bug: 'folds a batch again that comes again', breaks: /^I[56]:/ },
  {
    mutant: { forgetsRuns: true },
    bug: 'walks a chain again from its beginning when the commit is gone',
    breaks: /^I[1-6]:/,
  },
  { mutant: { namelessStarts: true }, bug: 'decides the last batch again when its run has expired', breaks: /^I2:/ },
  {
    mutant: { trustsCommits: true },
    bug: 'goes on from the commits, and not from the run that they name',
    breaks: /^I3:/,
  },
  { mutant: { commitReplaced: true }, bug: 'commits only one partition of a batch', breaks: /^I7:/ },
  { mutant: { headPerBatch: true }, bug: 'marks first ranges in the first batch of a chain only', breaks: /^I6:/ },
  { mutant: { resultBySequence: true }, bug: 'tells results apart by the number of their batch', breaks: /^I2:/ },
];

const schedulesMax = 1_500;

describe('the simulation finds planted bugs:', () => {
  test.each(planted)('$bug', async ({ mutant, breaks, from = 0 }) => {
    for (let seed = from; seed < from + schedulesMax; seed++) {
      const { violations } = await simulate(seed, { mutant });
      if (violations.some((what) => breaks.test(what))) return;
    }
    expect.fail(`not found in ${schedulesMax} schedules`);
  });
});
