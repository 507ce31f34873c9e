import workerThreads from 'node:worker_threads';

const setup = new URL('workflow-thread-setup.mjs', import.meta.url).href;

/**
 * Creates the SDK's worker with a leaner workflow thread: see `workflow-thread-setup.mjs` for what is turned off there, and why. The
 * SDK has no option for the thread's arguments, so its constructor stands in here while the worker is made. Without the
 * arguments of this process the thread also does without the TypeScript loader: its bundle is JavaScript.
 */
export async function withLeanWorkflowThread<T>(createWorker: () => Promise<T>): Promise<T> {
  const { Worker } = workerThreads;
  workerThreads.Worker = class extends Worker {
    constructor(file: string | URL, options: workerThreads.WorkerOptions = {}) {
      super(file, { ...options, execArgv: ['--import', setup] });
    }
  };
  try {
    return await createWorker();
  } finally {
    workerThreads.Worker = Worker;
  }
}
