import { rmdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { whyNot, type RunAs } from '../../../stack/servers/postgres-account.ts';
import { temporaryFolder } from './trial.ts';

it('says that a folder cannot be used, and not how the shell says it, however late both are read', async () => {
  const runAs: RunAs = {
    title: 'as this user',
    wrap: (command, args) => ({ command, args }),
    give: (folder) => rmdirSync(folder),
  };
  const reason = whyNot(runAs, 'initdb', temporaryFolder(), process.env);
  // As on a machine that stalls: the trial has said everything before the first word is read.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  expect(await reason).toMatch(/^it cannot write in /);
});
