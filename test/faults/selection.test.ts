import { expect, test } from 'vitest';
import { medley } from './rows/medley.ts';
import { runRow } from './run-row.ts';
import { workingTree } from './system/product.ts';

/** The matrix is `npm run faults`; this is the taste of it that every test run has. */
test('one fault of each kind: nothing is lost, nothing happens twice, all sinks agree', async () => {
  const told: string[] = [];
  const result = await runRow(medley, { product: workingTree(), seed: 20_261_121, rate: 200, eventsMin: 12_000, env: process.env, log: (text) => told.push(text) });
  expect(result.problems, told.join('\n')).toEqual([]);
  expect(result).toMatchObject({ passed: true, lost: 0, duplicated: 0, faults: 8 });
}, 290_000);
