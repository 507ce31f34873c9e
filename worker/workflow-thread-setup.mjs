/**
 * Loaded first in the SDK's workflow thread. Two of its services cost more than the workflows themselves, and ours, thin and shipped
 * with the worker, do without (docs/decisions/0021-a-lean-workflow-thread.md):
 *
 * - the stack of every promise, kept for the query `__stack_trace`: the SDK turns it off by itself where Node has no promise hooks, and
 *   says so outside the log, which is left out;
 * - the time limit of each call into the sandbox, for which Node starts and ends a thread of the system each time.
 */
import v8 from 'node:v8';
import { Script } from 'node:vm';

v8.promiseHooks = {
  ...v8.promiseHooks,
  createHook() {
    const { console: output } = globalThis;
    const { warn } = output;
    output.warn = () => {
      output.warn = warn;
    };
    throw new Error('turned off');
  },
};

const { runInContext } = Script.prototype;
Script.prototype.runInContext = function (context, { timeout: _, ...options } = {}) {
  return runInContext.call(this, context, options);
};
