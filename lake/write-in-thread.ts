import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { RollUpPlan, RollUpResult } from './types.ts';

/** Bounds the memory of a roll-up; a plan of the usual limits needs about a third. A larger nursery would save it little. */
const heapLimits = { maxOldGenerationSizeMb: 768, maxYoungGenerationSizeMb: 24 };
/** How long a thread waits for another plan. */
const idleMsMax = 10_000;

/** What the thread answers to a plan. */
type Answer = { result: RollUpResult } | { error: Error };

/** A thread without work, and the timer that ends it. */
let idle: { thread: Worker; timer: NodeJS.Timeout } | undefined;

/**
 * `writeParquet` on a thread of its own: it is seconds of pure computing, which must not hold up the event loop of a worker. The
 * plans of a backlog follow one another, and a thread that has compiled its code already takes half the time of a new one.
 *
 * @param start makes a thread when none is idle
 */
export async function writeInThread(
  root: string,
  plan: RollUpPlan,
  signal?: AbortSignal,
  start = startThread,
): Promise<RollUpResult> {
  signal?.throwIfAborted();
  const thread = takeIdle() ?? start();
  try {
    const result = await answerOf(thread, { root, plan }, signal);
    keep(thread);
    return result;
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

export function startThread(): Worker {
  const thread = new Worker(new URL('./roll-up-thread.mjs', import.meta.url), {
    execArgv: [],
    resourceLimits: heapLimits,
  });
  // Whoever waits for an answer hears of an error. When nobody does, it must not end the process.
  thread.on('error', () => undefined);
  thread.once('exit', () => {
    if (idle?.thread === thread) takeIdle();
  });
  return thread;
}

function takeIdle(): Worker | undefined {
  if (!idle) return undefined;
  const { thread, timer } = idle;
  clearTimeout(timer);
  idle = undefined;
  thread.ref();
  return thread;
}

/** Keeps one; a second pipeline's thread ends with its plan. */
function keep(thread: Worker): void {
  if (idle) return void thread.terminate();
  idle = { thread, timer: setTimeout(() => void takeIdle()?.terminate(), idleMsMax) };
  // Neither may keep the process alive.
  idle.timer.unref();
  thread.unref();
}

async function answerOf(
  thread: Worker,
  work: { root: string; plan: RollUpPlan },
  signal?: AbortSignal,
): Promise<RollUpResult> {
  const settled = new AbortController();
  const stop = () => settled.abort();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    thread.postMessage(work);
    // Both reject with an error of the thread, too.
    const [answer] = await Promise.race([
      once(thread, 'message', { signal: settled.signal }) as Promise<[Answer]>,
      once(thread, 'exit', { signal: settled.signal }).then(([code]) => {
        throw new Error(`the thread of a roll-up ended with code ${code} and no result`);
      }),
    ]);
    if ('error' in answer) throw answer.error;
    return answer.result;
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', stop);
    settled.abort();
  }
}
