import type { Mutant } from './mutants.ts';

/**
 * Schedules that showed a bug of the product, with the mutant that brings the bug back: with it they must fail, without it they must not. A
 * seed stands for its schedule only as long as the simulation draws the same numbers in the same order; when a change to the
 * simulation makes one harmless, look for another one that fails with the mutant. The mends have tests of their own, too.
 */
export const regressionSeeds: { seed: number; mutant: Mutant; showed: string }[] = [
  {
    seed: 6,
    mutant: { forgetsRuns: true },
    showed: 'a commit that says nothing sent the chain to where a new one begins, and what lay between was lost',
  },
  { seed: 11, mutant: { forgetsRuns: true }, showed: 'the same, of a partition that was added' },
  {
    seed: 59,
    mutant: { namelessStarts: true },
    showed:
      'the last batch, started again after its run had expired, was decided by another model: the sinks disagreed',
  },
  { seed: 45, mutant: { namelessStarts: true }, showed: 'records counted as duplicates of what was never delivered' },
  {
    seed: 1,
    mutant: { resultBySequence: true },
    showed:
      'two walks of a chain had different batches of one number, and the second one was given the result of the first',
  },
  { seed: 34, mutant: { trustsCommits: true }, showed: 'one partition went on from a commit that had come late' },
  { seed: 22, mutant: { headPerBatch: true }, showed: 'the first batch of a partition waited for one before it' },
];
