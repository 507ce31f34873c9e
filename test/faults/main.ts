import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runRow, type RowResult } from './run-row.ts';
import { rows } from './rows/index.ts';
import { exportCommit, workingTree } from './system/product.ts';

const { values } = parseArgs({
  options: {
    row: { type: 'string', multiple: true }, seed: { type: 'string' }, minutes: { type: 'string' }, rate: { type: 'string', default: '500' }, events: { type: 'string', default: '20000' },
    list: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false }, 'working-tree': { type: 'boolean', default: false },
  },
});

function print(text: string): void {
  process.stderr.write(`${text}\n`);
}

if (values.list) {
  for (const { name, about } of rows) process.stdout.write(`${name.padEnd(28)} ${about}\n`);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'headrace-faults-product-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const product = values['working-tree'] ? workingTree() : exportCommit(folder);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const chosen = values.row ? values.row.map((name) => rows.find((row) => row.name === name) ?? fail(`there is no row "${name}"; --list shows them`)) : rows;
print(`seed ${seed}, ${product.commit ? `commit ${product.commit.slice(0, 12)}` : 'working tree'}, ${chosen.length} rows`);

function fail(message: string): never {
  print(message);
  process.exit(2);
}

const results: RowResult[] = [];
for (const row of chosen) {
  print(`== ${row.name}`);
  const startedMs = Date.now();
  const log = (text: string) => print(`  ${((Date.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
  const result = await runRow(row, { product, seed, rate: Number(values.rate), eventsMin: Number(values.events), env: process.env, log, keepFailed: values.keep });
  results.push(result);
  for (const { what, count } of result.sometimes) log(`${count} x ${what}`);
  for (const problem of result.problems) log(`WRONG: ${problem}`);
  print(`== ${row.name}: ${result.passed ? 'passed' : 'FAILED'}; ${result.events} events, ${result.faults} faults, lost ${result.lost}, duplicated ${result.duplicated}, recovered in ${result.recoverSeconds.join(', ')} s`);
}
if (values.json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
