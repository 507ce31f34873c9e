import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import workerThreads from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { withLeanWorkflowThread } from '../../worker/workflow-thread.ts';

/** What a thread finds that is made as the SDK makes its own. */
const probe = `
  const { parentPort } = require('node:worker_threads');
  const { AsyncLocalStorage } = require('node:async_hooks');
  const vm = require('node:vm');
  const attempt = (work) => { try { return String(work()); } catch (error) { return error.message; } };
  const answers = {
    promiseHooks: attempt(() => typeof require('node:v8').promiseHooks.createHook({})),
    timeLimit: attempt(() => new vm.Script('for (const t = Date.now(); Date.now() - t < 100;); "ended"').runInContext(vm.createContext({}), { timeout: 5 })),
    result: new vm.Script('x + 1').runInContext(vm.createContext({ x: 1 })),
    typescript: process.execArgv.some((arg) => arg.includes('tsx')),
  };
  const storage = new AsyncLocalStorage();
  storage.run('kept', async () => {
    await null;
    parentPort.postMessage({ ...answers, storage: storage.getStore() });
  });
`;

async function probeThread(): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-thread-'));
  writeFileSync(join(folder, 'probe.cjs'), probe);
  const thread = new workerThreads.Worker(join(folder, 'probe.cjs'));
  try {
    const [answer] = (await once(thread, 'message')) as [unknown];
    return answer;
  } finally {
    await thread.terminate();
    rmSync(folder, { recursive: true });
  }
}

describe('the workflow thread', () => {
  test('has no promise hooks and no time limit, and keeps what asynchronous scopes need', async () => {
    expect(await withLeanWorkflowThread(probeThread)).toEqual({ promiseHooks: 'turned off', timeLimit: 'ended', result: 2, typescript: false, storage: 'kept' });
  });

  test('is the only one: a thread of anybody else is as ever', async () => {
    await withLeanWorkflowThread(() => Promise.resolve());
    expect(await probeThread()).toMatchObject({ promiseHooks: 'function', timeLimit: 'Script execution timed out after 5ms', storage: 'kept' });
  });
});
