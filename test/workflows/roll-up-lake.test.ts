import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRollUpActivities } from '../../activities/roll-up-lake.ts';
import { workflowNames } from '../../contracts/names.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { keys, LakeRig, orders } from '../lake/lake-rig.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';
import { ensureSchedule, scheduleIdOf } from '../../temporal/schedules.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });
const workflowsPath = fileURLToPath(new URL('../../workflows/roll-up-lake.ts', import.meta.url));

describe('rollUpLake', () => {
  let address: string;
  let namespace: string;
  let client: Client;
  let lake: LakeRig;
  let taskQueue: string;
  let stopWorker: () => Promise<void>;

  beforeAll(async () => {
    ({
      temporal: { address },
    } = await startLiveServers({ temporal: true }));
    namespace = await createNamespace(address);
    client = new Client({ connection: await Connection.connect({ address }), namespace });
  }, 300_000);
  afterAll(() => client?.connection.close());

  beforeEach(async () => {
    lake = await LakeRig.open();
    taskQueue = uniqueName('lake');
    const connection = await NativeConnection.connect({ address });
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowsPath,
      bundlerOptions: { preloadModules: [workflowsPath] },
      activities: createRollUpActivities({ lakeRoot: lake.root, deployment: 'local' }),
    });
    const running = worker.run();
    stopWorker = async () => {
      worker.shutdown();
      await running;
      await connection.close();
    };
  }, 60_000);
  afterEach(async () => {
    await stopWorker?.();
    await lake?.close();
  });
  const run = () => client.workflow.start(workflowNames.rollUpLake, { taskQueue, workflowId: uniqueName('roll-up') });

  it('turns what has come into Parquet, and the run replays', async () => {
    for (const partition of [0, 1])
      for (let position = 0; position < 40; position += 10) await lake.deliver(position, position + 10, { partition });
    const handle = await run();
    expect(await handle.result()).toEqual({ rows: 80, files: 1, rounds: 1, holes: [] });
    expect(await lake.visible()).toEqual([...keys(0, 40, 0), ...keys(0, 40, 1)]);
    expect(await lake.segments()).toEqual([]);
    const history = await handle.fetchHistory();
    await Worker.runReplayHistory({ workflowsPath }, history);
    const planned = history.events!.find((event) => event.activityTaskCompletedEventAttributes)!
      .activityTaskCompletedEventAttributes!.result!.payloads![0]!;
    expect(JSON.parse(Buffer.from(planned.data!).toString()), 'the segment list is in history').toMatchObject({
      plans: [{ pipeline: 'orders', chains: [{ segments: { length: 4 } }, {}] }],
    });
  });

  it('goes round by round until a backlog is done', async () => {
    for (let position = 0; position < 240_000; position += 40_000)
      await lake.deliver(position, position + 40_000, { row: (offset) => (offset % 1_000 === 0 ? {} : null) });
    expect(await (await run()).result()).toMatchObject({ rows: 240, rounds: 6 });
    expect(await lake.visible()).toHaveLength(240);
  });

  it('lets no failing pipeline hold up another, and fails with its reason', async () => {
    await lake.deliver(0, 10);
    await lake.deliver(0, 10, { pipeline: { ...orders, name: 'broken' } as AnyPipeline });
    await lake.deliver(10, 20, { pipeline: { ...orders, name: 'broken' } as AnyPipeline });
    const broken = (await lake.segments()).find((path) => path.includes('broken') && path.includes('-10-20-'))!;
    writeFileSync(join(lake.root, broken), readFileSync(join(lake.root, broken)).fill(1, 50, 60));
    const handle = await run();
    const failure = await handle.result().then(
      () => undefined,
      (error: Error) => error.cause as Error,
    );
    expect(failure?.message).toMatch(
      /^broken: SINK_UNAVAILABLE: the lake at .* segment .*0000000000000010-10-20-0\.seg was cut or changed/,
    );
    expect(await lake.query(`select pipeline, count(*)::int as n from lake group by all`)).toEqual([
      { pipeline: 'orders', n: 10 },
    ]);
    await lake.deliver(10, 20, { pipeline: { ...orders, name: 'broken' } as AnyPipeline });
    await (await run()).result();
    expect(await lake.query(`select count(*)::int as n from lake where pipeline = 'broken'`)).toEqual([{ n: 20 }]);
  }, 120_000);

  it('is started by a schedule, which can be made again with another interval', async () => {
    await ensureSchedule(client, { workflowType: 'rollUpLake', deployment: 'test', taskQueue, everySeconds: 3_600 });
    await ensureSchedule(client, { workflowType: 'rollUpLake', deployment: 'test', taskQueue, everySeconds: 1 });
    const handle = client.schedule.getHandle(
      scheduleIdOf({ workflowType: 'rollUpLake', deployment: 'test', taskQueue }),
    );
    try {
      const { spec, policies, action } = await handle.describe();
      expect(spec.intervals).toMatchObject([{ every: 1_000 }]);
      expect(policies.overlap).toBe('SKIP');
      expect(action).toMatchObject({ workflowType: 'rollUpLake', taskQueue });
      await lake.deliver(0, 10);
      for (const deadline = Date.now() + 30_000; (await lake.visible()).length < 10 && Date.now() < deadline; )
        await sleep(100);
      expect(await lake.visible()).toEqual(keys(0, 10));
    } finally {
      await handle.delete();
    }
  }, 60_000);
});
