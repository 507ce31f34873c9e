import nodeV8 from 'node:v8';
import { Script } from 'node:vm';

const { runInContext } = Script.prototype;
/** The module itself, which the SDK reads from, too. */
const v8: { promiseHooks: typeof nodeV8.promiseHooks } = nodeV8;

/**
 * Creates the SDK's worker, whose workflows share this thread, without three services of the SDK's sandbox. They cost more than
 * the workflows themselves, or are in the way of everything else here, and ours, thin and shipped with the worker, do without
 * (docs/decisions/0021-workflow-thread-services.md and 0027-workflows-in-main-thread.md):
 *
 * - the time limit of each call into the sandbox, for which Node starts and ends a thread of the system each time;
 * - the stack of every promise, kept for the query `__stack_trace`: the SDK turns it off by itself where Node has no promise hooks;
 * - its own way of writing the stacks of errors, which would hold for all errors of this thread.
 *
 * The SDK has no option for any of them. The first stays off for the life of the process, whose only sandbox this is. What it leaves behind is
 * harmless here: it freezes the constructors that it lends to workflows (URL, TextEncoder and the like), and hears of rejections that nobody handles.
 */
export async function withLeanSandbox<T>(createWorker: () => Promise<T>): Promise<T> {
  Script.prototype.runInContext = function (context, { timeout: _, ...options } = {}) {
    return runInContext.call(this, context, options);
  };
  const { promiseHooks } = v8;
  const { prepareStackTrace } = Error;
  const { console: output } = globalThis;
  const { warn } = output;
  v8.promiseHooks = {
    ...promiseHooks,
    createHook() {
      // The SDK catches this, and says so on the console, outside the log: that line is left out.
      output.warn = () => {
        output.warn = warn;
      };
      throw new Error('turned off');
    },
  };
  try {
    return await createWorker();
  } finally {
    v8.promiseHooks = promiseHooks;
    Error.prepareStackTrace = prepareStackTrace;
    output.warn = warn;
  }
}
