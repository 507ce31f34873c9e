import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { identityOf, isAlive, type ProcessIdentity } from '../../stack/servers/identity.ts';
import { until } from '../live/wait.ts';
import { temporaryFolder } from './servers/trial.ts';

/** Watches, starts another program, and tells both pids. */
const runner = `
await import(${JSON.stringify(join(import.meta.dirname, 'parent-watch.ts'))});
const { spawn } = await import('node:child_process');
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
console.log(JSON.stringify([process.pid, child.pid]));
setInterval(() => {}, 1000);
`;

test('what runs tests ends when vitest is killed, with what the tests have started', async () => {
  const file = join(temporaryFolder(), 'runner.mjs');
  writeFileSync(file, runner);
  const tsx = createRequire(import.meta.url).resolve('tsx');
  const fork = `require('node:child_process').fork(${JSON.stringify(file)}, { execArgv: ['--import', ${JSON.stringify(tsx)}] })`;
  const vitest = spawn(process.execPath, ['-e', fork], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  vitest.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  let running: ProcessIdentity[] = [];
  onTestFinished(() => {
    vitest.kill('SIGKILL');
    for (const each of running.filter(isAlive)) process.kill(each.pid, 'SIGKILL');
  });
  await until('both run', () => output.includes('\n'));
  running = (JSON.parse(output) as number[]).map((pid) => identityOf(pid));
  vitest.kill('SIGKILL');
  await until('both are gone', () => !running.some(isAlive));
});
