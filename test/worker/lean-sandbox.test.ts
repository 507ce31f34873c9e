import { AsyncLocalStorage } from 'node:async_hooks';
import v8 from 'node:v8';
import vm, { Script } from 'node:vm';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { withLeanSandbox } from '../../worker/lean-sandbox.ts';

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

  test('leaves everything else of the thread as it was', async () => {
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
});
