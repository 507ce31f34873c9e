import { AsyncLocalStorage } from 'node:async_hooks';
import v8 from 'node:v8';
import vm, { Script } from 'node:vm';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { dataConverter } from '../../temporal/connection.ts';
import { preloadModules, workflowsPath } from '../../temporal/workflow-bundle.ts';
import { withLeanSandbox } from '../../worker/lean-sandbox.ts';
import { readRecorded } from '../replay/histories.ts';

const logger = new DefaultLogger('ERROR', () => undefined);
Runtime.install({ logger });

const { runInContext } = Script.prototype;
const endsAfter100Ms = 'for (const t = Date.now(); Date.now() - t < 100;); "ended"';

describe('the sandbox of workflows', () => {
  afterEach(() => {
    Script.prototype.runInContext = runInContext;
    vi.restoreAllMocks();
  });

  test('has no time limit, whose thread would cost more than a call', async () => {
    expect(() => new Script(endsAfter100Ms).runInContext(vm.createContext({}), { timeout: 5 })).toThrow('timed out');
    await withLeanSandbox(() => Promise.resolve());
    expect(new Script(endsAfter100Ms).runInContext(vm.createContext({}), { timeout: 5 })).toBe('ended');
    expect(new Script('x + 1').runInContext(vm.createContext({ x: 1 }))).toBe(2);
  });

  test('has no promise hooks, and the line that says so is left out', async () => {
    const { console: output } = globalThis;
    const warn = vi.spyOn(output, 'warn').mockReturnValue(undefined);
    const said = await withLeanSandbox(async () => {
      try {
        v8.promiseHooks.createHook({});
        return 'hooks';
      } catch (error) {
        output.warn('no hooks, no stack traces');
        output.warn('something else');
        return (error as Error).message;
      }
    });
    expect(said).toBe('turned off');
    expect(warn.mock.calls).toEqual([['something else']]);
  });

  test('gives back what it took of the thread', async () => {
    const { prepareStackTrace } = Error;
    await withLeanSandbox(async () => {
      Error.prepareStackTrace = () => 'the way of the SDK';
    });
    expect(Error.prepareStackTrace).toBe(prepareStackTrace);
    expect(typeof v8.promiseHooks.createHook({})).toBe('function');
    const storage = new AsyncLocalStorage<string>();
    const kept = await storage.run('kept', async () => {
      await Promise.resolve();
      return storage.getStore();
    });
    expect(kept).toBe('kept');
  });

  test('is the one that the SDK makes: workflows run in it, and the thread is as it was', async () => {
    const hooked = vi.spyOn(v8.promiseHooks, 'createHook');
    const { console: output } = globalThis;
    const warn = vi.spyOn(output, 'warn').mockReturnValue(undefined);
    const { prepareStackTrace } = Error;
    const workflowBundle = await bundleWorkflowCode({ workflowsPath, preloadModules, logger });
    // A replay has its workflows in this thread, too, and needs no server.
    const replay = () =>
      Worker.runReplayHistory(
        { workflowBundle, dataConverter: dataConverter({ key: undefined, oldKeys: undefined }) },
        readRecorded('batch-delivered-together'),
      );
    await expect(withLeanSandbox(replay)).resolves.toBeUndefined();
    expect(hooked).not.toHaveBeenCalled();
    expect(warn).not.toHaveBeenCalled();
    expect(Error.prepareStackTrace).toBe(prepareStackTrace);
  });
});
