import { expect, test } from 'vitest';
import { brokersKilled } from './rows/cluster.ts';
import { inTurn } from './rows/in-turn.ts';
import { medley } from './rows/medley.ts';
import { postgresAtCommit } from './rows/network.ts';
import { verdicts } from './rows/reviews.ts';
import { endedFromOutside } from './rows/runs.ts';
import { rereadAfterExpiry } from './rows/topic.ts';
import type { Row } from './row.ts';
import { runRow } from './run-row.ts';
import { workingTree } from './system/product.ts';

/** The matrix is `npm run faults`; this is the taste of it that every test run has, some four minutes. What reads everything again comes while there is little. */
const selection: readonly { row: Row; faultsMin: number; brief?: boolean }[] = [
  {
    row: inTurn('selection', [rereadAfterExpiry, verdicts, postgresAtCommit, endedFromOutside, medley]),
    faultsMin: 1 + 20 + 20 + 20 + 8,
  },
  { row: brokersKilled, faultsMin: 1, brief: true },
];

test.each(selection)(
  '$row.name: $row.about',
  async ({ row, faultsMin, brief }) => {
    const told: string[] = [];
    const startedMs = Date.now();
    const log = (text: string) => told.push(`${((Date.now() - startedMs) / 1_000).toFixed(1)} s  ${text}`);
    const result = await runRow(row, {
      product: workingTree(),
      seed: 20_261_121,
      rate: 200,
      eventsMin: 12_000,
      env: process.env,
      brief,
      log,
    });
    expect(result.problems, told.join('\n')).toEqual([]);
    expect(result).toMatchObject({ passed: true, lost: 0, duplicated: 0 });
    expect(result.faults).toBeGreaterThanOrEqual(faultsMin);
  },
  580_000,
);
