import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { assertCompiles, caughtAs, mutants, plant } from './mutants.ts';
import { writeReport } from './report.ts';
import { keepMutant, keepRun, readRuns } from './results.ts';
import type { Row } from './row.ts';
import { rows } from './rows/index.ts';
import { runRow, type RowResult, type RunOptions } from './run-row.ts';
import type { FaultSystem } from './system/fault-system.ts';
import { exportCommit, workingTree } from './system/product.ts';

const usage = `npm run faults -- [options]
  --list              shows the rows and ends
  --row NAME          runs this row; may be given several times (default: all)
  --seed N            fixes the schedule; the seed of a run is always printed (default: random)
  --minutes M         goes on with further seeds until so much time has passed
  --events N          events a run has at least (default 20000)
  --chains N          in how many chains the topic is, in rows that do not say (default 2; the topic has 4 partitions)
  --rate N            events a second while faults go on (default 500)
  --working-tree      tests the sources as they are, and keeps no figures; otherwise the last commit is tested
  --resume            leaves out the runs that docs/reliability.json has of this commit, with this seed
  --dry               keeps no figures in docs/reliability.json
  --keep              keeps the folder with all logs of a run that failed
  --json              prints the results as JSON
  --mutants           plants each known bug in a copy of the sources, and runs the row that has to catch it
  --mutant NAME       only this one; may be given several times
  --report            writes docs/reliability.md from docs/reliability.json and ends`;

const { values } = parseArgs({
  options: {
    row: { type: 'string', multiple: true },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    rate: { type: 'string', default: '500' },
    events: { type: 'string', default: '20000' },
    chains: { type: 'string', default: '2' },
    list: { type: 'boolean' },
    resume: { type: 'boolean' },
    json: { type: 'boolean' },
    keep: { type: 'boolean' },
    dry: { type: 'boolean' },
    report: { type: 'boolean' },
    help: { type: 'boolean' },
    mutants: { type: 'boolean' },
    mutant: { type: 'string', multiple: true },
    'working-tree': { type: 'boolean' },
  },
});

/** What runs now: it goes with this process. */
let current: FaultSystem | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    print('stopping what runs');
    void Promise.resolve(current?.stop()).finally(() => process.exit(130));
  });
}

function print(text: string): void {
  process.stderr.write(`${text}\n`);
}

function fail(message: string): never {
  print(message);
  process.exit(2);
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fail(`--${name} must be a number, and is "${text}"`);
}

function chosenRows(): readonly Row[] {
  return (
    values.row?.map(
      (name) => rows.find((row) => row.name === name) ?? fail(`there is no row "${name}"; --list shows them`),
    ) ?? rows
  );
}

function isKept(commit: string | undefined, row: Row, seed: number): boolean {
  return readRuns().some((kept) => kept.commit === commit && kept.row === row.name && kept.seed === seed);
}

/** Runs one row, tells about it, and keeps its figures. */
async function runAndTell(row: Row, options: Omit<RunOptions, 'log'>): Promise<RowResult> {
  print(`== ${row.name}, seed ${options.seed}`);
  const startedMs = Date.now();
  const log = (text: string) => print(`  ${((Date.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
  const result = await runRow(row, { ...options, log, onSystem: (system) => (current = system) });
  for (const { what, count } of result.sometimes) log(`${count} x ${what}`);
  for (const problem of result.problems) log(`WRONG: ${problem}`);
  print(
    `== ${row.name}, seed ${options.seed}: ${result.passed ? 'passed' : 'FAILED'}; ${result.events} events, ${result.faults} faults, lost ${result.lost}, duplicated ${result.duplicated}, recovered in ${result.recoverSeconds.join(', ')} s`,
  );
  if (values.dry !== true) keepRun(result, Date.now());
  return result;
}

/** Every planted bug has to be caught by its row, for the reason that it is wrong. */
async function runMutants(folder: string, seed: number): Promise<void> {
  const chosen =
    values.mutant?.map(
      (name) =>
        mutants.find((mutant) => mutant.name === name) ??
        fail(`there is no mutant "${name}": ${mutants.map((each) => each.name).join(', ')}`),
    ) ?? mutants;
  const alive: string[] = [];
  for (const mutant of chosen) {
    const { root, commit } = exportCommit(join(folder, mutant.name));
    plant(mutant, root);
    assertCompiles(mutant, root);
    const row = rows.find(({ name }) => name === mutant.row)!;
    print(`== mutant ${mutant.name}: ${mutant.about}`);
    const { problems } = await runAndTell(row, {
      product: { root },
      seed,
      rate: 200,
      eventsMin: 10_000,
      env: process.env,
      brief: true,
    });
    const caught = caughtAs(mutant, problems);
    if (!caught) alive.push(mutant.name);
    print(`== mutant ${mutant.name}: ${caught ? `caught: ${caught.slice(0, 200)}` : 'NOT CAUGHT'}`);
    if (values.dry !== true)
      keepMutant({
        commit: commit!,
        mutant: mutant.name,
        row: mutant.row,
        seed,
        caught: caught?.slice(0, 200) ?? null,
      });
    rmSync(root, { recursive: true, force: true });
  }
  print(
    `${chosen.length - alive.length} of ${chosen.length} mutants caught${alive.length > 0 ? `; alive: ${alive.join(', ')}` : ''}`,
  );
  process.exitCode = alive.length > 0 ? 1 : 0;
}

async function main(): Promise<void> {
  if (values.help) return print(usage);
  if (values.list)
    return void process.stdout.write(rows.map(({ name, about }) => `${name.padEnd(24)} ${about}\n`).join(''));
  if (values.report) return writeReport();
  const folder = mkdtempSync(join(tmpdir(), 'headrace-faults-product-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  if (values.mutants || values.mutant) return runMutants(folder, numberOf('seed', values.seed ?? '1'));
  const product = values['working-tree'] ? workingTree() : exportCommit(folder);
  const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf('seed', values.seed);
  const chosen = chosenRows();
  const endMs = Date.now() + numberOf('minutes', values.minutes ?? '0') * 60_000;
  print(
    `seed ${firstSeed}, ${product.commit ? `product commit ${product.commit.slice(0, 12)}` : 'working tree'}, ${chosen.length} rows`,
  );
  const results: RowResult[] = [];
  for (let seed = firstSeed; seed === firstSeed || Date.now() < endMs; seed++) {
    for (const row of chosen) {
      if (seed > firstSeed && Date.now() >= endMs) break;
      if (values.resume && isKept(product.commit, row, seed)) continue;
      results.push(
        await runAndTell(row, {
          product,
          seed,
          rate: numberOf('rate', values.rate),
          eventsMin: numberOf('events', values.events),
          chains: numberOf('chains', values.chains),
          env: process.env,
          keepFailed: values.keep,
        }),
      );
    }
  }
  const failed = results.filter(({ passed }) => !passed);
  print(
    `${results.length - failed.length} runs passed, ${failed.length} failed${failed.map(({ row, seed }) => `\n  npm run faults -- --row ${row} --seed ${seed}`).join('')}`,
  );
  if (values.json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

await main();
// Nothing of ours is left; sockets of clients that were cut off may be.
process.exit();
