import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planRollUps } from '../../lake/plan.ts';
import type { RollUpPlan } from '../../lake/types.ts';
import { startThread, writeInThread } from '../../lake/write-in-thread.ts';
import { until } from '../live/wait.ts';
import { LakeRig } from './lake-rig.ts';

describe('writing Parquet in a thread', () => {
  let lake: LakeRig;
  let plan: RollUpPlan;
  let threads: Worker[];
  const start = () => {
    const thread = startThread();
    threads.push(thread);
    return thread;
  };

  beforeEach(async () => {
    lake = await LakeRig.open();
    threads = [];
    await lake.deliver(0, 500);
    ({
      plans: [plan],
    } = (await planRollUps({ root: lake.root })) as unknown as { plans: [RollUpPlan] });
  });
  afterEach(async () => {
    await Promise.all(threads.map((thread) => thread.terminate()));
    await lake.close();
  });

  it('gives one plan after the other to the same thread, and keeps nothing of them', async () => {
    const first = await writeInThread(lake.root, plan, undefined, start);
    expect(first).toEqual({ rows: 500, files: 1 });
    const listeners = () => ['message', 'error', 'exit'].map((event) => threads[0]!.listenerCount(event));
    const before = listeners();
    for (let round = 0; round < 12; round++)
      expect(await writeInThread(lake.root, plan, undefined, start)).toEqual(first);
    expect(threads).toHaveLength(1);
    expect(listeners()).toEqual(before);
  });

  it('gives plans that come at once to threads of their own, of which one is kept', async () => {
    await Promise.all([1, 2, 3].map(() => writeInThread(lake.root, plan, undefined, start)));
    expect(threads).toHaveLength(3);
    await until('two of them have ended', () => threads.filter(({ threadId }) => threadId === -1).length === 2);
    await writeInThread(lake.root, plan, undefined, start);
    expect(threads).toHaveLength(3);
  });

  it('ends the thread of an aborted plan, also when the plan fails meanwhile', async () => {
    const missing = structuredClone(plan);
    missing.chains[0]!.segments[0]!.startId = 'gone';
    for (const each of [plan, missing, plan, missing, missing]) {
      const controller = new AbortController();
      const writing = writeInThread(lake.root, each, controller.signal, start);
      const [thread] = threads.splice(0);
      const exit = once(thread!, 'exit');
      // The thread has just come up, and is about to fail or to succeed.
      await Promise.race([once(thread!, 'online'), exit]);
      setImmediate(() => controller.abort(new Error('cancelled')));
      await expect(writing).rejects.toThrow('cancelled');
      await exit;
    }
  });

  it('takes a new thread after one that died without work, and after one whose plan failed', async () => {
    await writeInThread(lake.root, plan, undefined, start);
    const exit = once(threads[0]!, 'exit');
    await threads[0]!.terminate();
    await exit;
    expect(await writeInThread(lake.root, plan, undefined, start)).toEqual({ rows: 500, files: 1 });
    expect(threads).toHaveLength(2);
    for (const segment of await lake.segments()) await rm(join(lake.root, segment));
    await expect(writeInThread(lake.root, plan, undefined, start)).rejects.toThrow('ENOENT');
    expect(threads[1]!.threadId, 'it was ended').toBe(-1);
  });
});
