import { expect, test } from 'vitest';
import { brokersKilled } from './rows/cluster.ts';
import { medley } from './rows/medley.ts';
import { postgresAtCommit } from './rows/network.ts';
import { verdicts } from './rows/reviews.ts';
import { endedFromOutside } from './rows/runs.ts';
import { rereadAfterExpiry } from './rows/topic.ts';
import type { Row } from './row.ts';
import { runRow } from './run-row.ts';
import { workingTree } from './system/product.ts';

/** The matrix is `npm run faults`; this is the taste of it that every test run has, some six minutes. */
const selection: readonly { row: Row; faultsMin: number; brief?: boolean }[] = [
  { row: medley, faultsMin: 8 },
  { row: postgresAtCommit, faultsMin: 20 },
  { row: rereadAfterExpiry, faultsMin: 1 },
  { row: endedFromOutside, faultsMin: 20 },
  { row: verdicts, faultsMin: 20 },
  { row: brokersKilled, faultsMin: 3, brief: true },
];

test.each(selection)(
  '$row.name: $row.about',
  async ({ row, faultsMin, brief }) => {
    const told: string[] = [];
    const result = await runRow(row, {
      product: workingTree(),
      seed: 20_261_121,
      rate: 200,
      eventsMin: 12_000,
      env: process.env,
      brief,
      log: (text) => told.push(text),
    });
    expect(result.problems, told.join('\n')).toEqual([]);
    expect(result).toMatchObject({ passed: true, lost: 0, duplicated: 0 });
    expect(result.faults).toBeGreaterThanOrEqual(faultsMin);
  },
  290_000,
);
