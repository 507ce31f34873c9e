import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBatches } from './collect.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

const events = 60;

/** Keys of the decisions in a system's own database. */
async function decidedKeys(system: System): Promise<string[]> {
  return (await system.pool.query<{ event_key: string }>('select event_key from decisions order by 1')).rows.map(
    (row) => row.event_key,
  );
}

describe('two deployments in one namespace, with the same pipeline, topic and, by mistake, task queue', () => {
  let one: System;
  let two: System;
  beforeAll(async () => {
    const env = { HEADRACE_TASK_QUEUE: 'shared', HEADRACE_LAKE_ROLL_UP_SECONDS: '1', HEADRACE_SWEEP_SECONDS: '1' };
    one = await System.start({ partitions: 1, env });
    two = await System.start({ partitions: 1, env: { ...env, HEADRACE_DEPLOYMENT: 'other' }, beside: one });
  }, 240_000);
  afterAll(async () => {
    await two?.stop();
    await one?.stop();
  });

  test('each decides all events, for itself: what reaches a worker of the other one waits', async () => {
    // All work is now given to the worker of the first.
    await two.worker.stop();
    const messages = Array.from({ length: events }, (_, i) => ({
      partition: 0,
      value: JSON.stringify({ id: `e${i}`, account: 'a', amount: 1, at: Date.UTC(2026, 0, 1) + i }),
    }));
    await one.producer.send({ topic: one.topic, acks: -1, messages });
    const logs = { detail: () => `${one.logs()}\n${two.logs()}` };
    await until('the first has decided all', async () => (await decidedKeys(one)).length >= events, logs);

    const id = `batch:other:${one.name}:0:${one.topic}:0.0:0`;
    const refused = await until(
      "the other one's batch is refused",
      async () => {
        const { raw } = await one.temporal.workflow.getHandle(id).describe();
        return raw.pendingActivities?.find(
          ({ lastFailure }) => lastFailure?.applicationFailureInfo?.type === 'WRONG_DEPLOYMENT',
        );
      },
      logs,
    );
    expect(refused.lastFailure!.message).toContain('belongs to deployment "other", and this worker to "test"');
    expect(refused.lastFailure!.message).toContain('HEADRACE_TASK_QUEUE');
    expect(one.worker.log()).toContain('belongs to deployment \\"other\\"');
    expect(await decidedKeys(two)).toEqual([]);

    two.startWorker();
    await two.worker.ready;
    await until('the other one has decided all', async () => (await decidedKeys(two)).length >= events, logs);
    await until('everything is delivered', async () => (await openBatches(one)) === 0, logs);
    const keys = (deployment: string) =>
      Array.from({ length: events }, (_, offset) => `${deployment}:${one.name}:0:${one.topic}:0:${offset}`).toSorted();
    expect(await decidedKeys(one)).toEqual(keys('test'));
    expect(await decidedKeys(two)).toEqual(keys('other'));
  }, 120_000);

  test('each has schedules of its own', async () => {
    const ids: string[] = [];
    await until('all four are listed', async () => {
      ids.splice(0);
      for await (const { scheduleId } of one.temporal.schedule.list()) ids.push(scheduleId);
      return ids.length === 4;
    });
    expect(ids.toSorted()).toEqual([
      'roll-up-lake:other:shared',
      'roll-up-lake:test:shared',
      'sweep:other:shared',
      'sweep:test:shared',
    ]);
  });

  test('a worker refuses to start on the lake of another deployment, and names both', async () => {
    const taken = two.startWorker({ LAKE_URL: `file://${one.dataDir}/lake` });
    await expect(taken.ready).rejects.toThrow(
      /belongs to deployment \\?"test\\?"; give deployment \\?"other\\?" a lake of its own with LAKE_URL/,
    );
  });
});
