import type { Mutant } from './mutants.ts';

/**
 * Schedules that showed a bug of the product, with the mutant that brings the bug back: with it they must fail, without it they must not. A
 * seed stands for its schedule only as long as the simulation draws the same numbers in the same order; when a change to the
 * simulation makes one harmless, look for another one that fails with the mutant. The mends have tests of their own, too.
 */
export const regressionSeeds: { seed: number; mutant: Mutant; showed: string }[] = [
  {
    seed: 299,
    mutant: { forgetsRuns: true },
    showed: 'a commit that says nothing sent the chain to where a new one begins, and what lay between was lost',
  },
  { seed: 53, mutant: { forgetsRuns: true }, showed: 'the same' },
  {
    seed: 73,
    mutant: { forgetsRuns: true },
    showed: 'a chain was walked again over batches that were decided, and the sinks disagreed',
  },
  {
    seed: 588,
    mutant: { namelessStarts: true },
    showed:
      'the last batch, started again after its run had expired, was decided by another model: the sinks disagreed',
  },
  { seed: 1_004, mutant: { namelessStarts: true }, showed: 'the same' },
  {
    seed: 7_571,
    mutant: { oneResult: true },
    showed:
      'a chain was walked again over a batch whose run had not recorded it, and when that was re-driven its records counted as duplicates of nothing',
  },
];
