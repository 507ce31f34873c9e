// `npm test`: checks the machine, installs packages, gets the servers, then checks format, types and lint, and runs all tests.
// Its last line is exactly "N passed, N failed" (and ", N skipped" when some did not run). More arguments go to vitest.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeReady } from '../stack/first-start/make-ready.mjs';
import { describeTotals, totalsOf } from './totals.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const print = (text) => process.stdout.write(`${text}\n`);
const bin = (name, path) => [process.execPath, join(root, 'node_modules', name, path)];

let current;
let ended = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    ended = true;
    if (current) current.kill(signal);
    else giveUp('ended before all tests had run');
  });

function run([command, ...args]) {
  return new Promise((resolve) => {
    current = spawn(command, args, { cwd: root, stdio: 'inherit' });
    current.once('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(1);
    });
    current.once('exit', (code) => {
      current = undefined;
      if (ended) giveUp('ended before all tests had run');
      resolve(code ?? 1);
    });
  });
}

function finish(totals) {
  print(describeTotals(totals));
  process.exit(totals.failed > 0 ? 1 : 0);
}

function giveUp(message) {
  process.stderr.write(`${message}\n`);
  finish({ passed: 0, failed: 1, skipped: 0 });
}

const totals = { passed: 0, failed: 0, skipped: 0 };
async function check(title, command) {
  print(`\n== ${title}`);
  const code = await run(command);
  totals[code === 0 ? 'passed' : 'failed'] += 1;
  print(`${title}: ${code === 0 ? 'passed' : 'FAILED'}`);
}

print('checking what this machine has');
await makeReady(process.env, print).catch((error) => giveUp(error.message));
if ((await run([process.execPath, '--import', 'tsx', 'stack/servers/main.ts'])) !== 0)
  giveUp('the servers for the tests could not be prepared');

await check('format', [...bin('@biomejs/biome', 'bin/biome'), 'format', '.']);
await check('type check', [...bin('typescript', 'bin/tsc'), '--noEmit', '-p', 'tsconfig.json']);
await check('lint', [...bin('oxlint', 'bin/oxlint'), '--type-aware', '--deny-warnings']);

print('\n== tests');
const folder = mkdtempSync(join(tmpdir(), 'headrace-report-'));
const reportFile = join(folder, 'report.json');
// The runner, because bundling the configuration writes into the checkout, which may be read-only.
const code = await run([
  ...bin('vitest', 'vitest.mjs'),
  'run',
  '--configLoader',
  'runner',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${reportFile}`,
  ...process.argv.slice(2),
]);
const report = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, 'utf8')) : undefined;
rmSync(folder, { recursive: true, force: true });
const tests = totalsOf(report, code);
finish({ passed: totals.passed + tests.passed, failed: totals.failed + tests.failed, skipped: tests.skipped });
