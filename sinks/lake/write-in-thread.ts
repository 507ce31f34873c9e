import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { RollUpPlan, RollUpResult } from './types.ts';

/** Bounds the memory of a roll-up; a plan of the usual limits needs about a third. */
const threadHeapMb = 768;
/** How long a thread waits for another plan. */
const idleMsMax = 10_000;

/** A thread without work, and the timer that ends it. */
let idle: { thread: Worker; timer: NodeJS.Timeout } | undefined;

/**
 * `writeParquet` on a thread of its own: it is seconds of pure computing, which must not hold up the event loop of a worker. The
 * plans of a backlog follow one another, and a thread that has compiled its code already takes half the time of a new one.
 */
export async function writeInThread(root: string, plan: RollUpPlan, signal?: AbortSignal): Promise<RollUpResult> {
  signal?.throwIfAborted();
  const thread = takeThread();
  try {
    const result = await answerOf(thread, { root, plan }, signal);
    keepThread(thread);
    return result;
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

function takeThread(): Worker {
  if (!idle) return new Worker(new URL('./roll-up-thread.mjs', import.meta.url), { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: threadHeapMb } });
  const { thread, timer } = idle;
  clearTimeout(timer);
  idle = undefined;
  thread.ref();
  return thread;
}

/** Keeps one; a second pipeline's thread ends with its plan. */
function keepThread(thread: Worker): void {
  if (idle) return void thread.terminate();
  const kept = { thread, timer: setTimeout(() => forget(kept), idleMsMax) };
  idle = kept;
  kept.timer.unref();
  // It must not keep the process alive. Should it die of itself, it is not to be given to anyone.
  thread.unref();
  thread.once('exit', () => {
    if (idle === kept) forget(kept);
  });
}

function forget(kept: NonNullable<typeof idle>): void {
  clearTimeout(kept.timer);
  if (idle === kept) idle = undefined;
  void kept.thread.terminate();
}

async function answerOf(thread: Worker, work: { root: string; plan: RollUpPlan }, signal?: AbortSignal): Promise<RollUpResult> {
  const settled = new AbortController();
  const stop = () => settled.abort();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    thread.postMessage(work);
    // Either rejects with the thread's error, too.
    const [answer] = await Promise.race([
      once(thread, 'message', { signal: settled.signal }) as Promise<[RollUpResult]>,
      once(thread, 'exit', { signal: settled.signal }).then(([code]) => {
        throw new Error(`the thread of a roll-up ended with code ${code} and no result`);
      }),
    ]);
    return answer;
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', stop);
    settled.abort();
  }
}
