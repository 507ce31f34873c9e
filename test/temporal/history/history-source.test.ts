import { execFile } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BatchActivities } from '../../../activities/types.ts';
import { registerReplay } from '../../../cli/replay.ts';
import { historyToJson } from '../../../temporal/history/history-json.ts';
import type { Run } from '../../../temporal/history/steps.ts';
import { encodeDecisions } from '../../../contracts/decisions-frame.ts';
import { encodeScored } from '../../../contracts/scored-frame.ts';
import { batchWorkflowId, type BatchRef } from '../../../contracts/event-key.ts';
import { encodeRecords } from '../../../contracts/records-frame.ts';
import { dataConverter } from '../../../temporal/connection.ts';
import { preloadModules, workflowsPath } from '../../../temporal/workflow-bundle.ts';
import { freePort } from '../../../stack/servers/index.ts';
import { writeEndpoints, type Endpoints } from '../../../stack/supervisor/endpoints.ts';
import { createNamespace, startLiveServers, uniqueName } from '../../stack/live.ts';
import { runCommand } from '../../cli/run-command.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });
const chain = { deployment: 'test', pipeline: uniqueName('replay'), epoch: 0, topic: 'orders', layout: 0, chain: 0 };
const batch: BatchRef = {
  ...chain,
  sequence: 5,
  ranges: [{ partition: 3, position: 5, end: 7, count: 2, first: true }],
  startId: 's',
};
const workflowId = batchWorkflowId(chain, 5);

/** As good as the real ones for a history: one approved event, no sink. */
const activities: Pick<BatchActivities, 'score' | 'deliverAll'> = {
  score: (_, records) =>
    Promise.resolve(
      encodeScored({
        features: records,
        decisions: encodeDecisions({
          header: {
            kind: 'decisions',
            id: 'd',
            batch,
            model: { name: 'm', version: '3' },
            outputs: [{ name: 'y', width: 1 }],
            outcomes: ['approve'],
            whys: ['usual'],
            sinks: [],
            outcomeCounts: { approve: 1 },
            sinkCounts: {},
            degradedCount: 0,
            rejectedCount: 0,
            rejections: [],
          },
          predictions: Float32Array.of(0.5),
          outcome: Uint8Array.of(0),
          why: Uint16Array.of(0),
          sinks: Uint32Array.of(0),
          degraded: Uint8Array.of(0),
        }),
      }),
    ),
  deliverAll: () => Promise.resolve({ delivered: {}, missing: {} }),
};

describe('headrace replay of a workflow id', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-replay-'));
  let address: string;
  let executable: string;
  let namespace: string;
  let client: Client;
  /** Of the two runs of the batch's id. */
  const runIds: string[] = [];

  beforeAll(async () => {
    ({
      temporal: { address, executable },
    } = await startLiveServers({ temporal: true }));
    namespace = await createNamespace(address);
    const converter = dataConverter({ key: undefined, oldKeys: undefined });
    client = new Client({ connection: await Connection.connect({ address }), namespace, dataConverter: converter });
    const connection = await NativeConnection.connect({ address });
    const taskQueue = uniqueName('replay');
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowsPath,
      bundlerOptions: { preloadModules },
      activities,
      dataConverter: converter,
    });
    await worker.runUntil(async () => {
      const value = Buffer.from(JSON.stringify({ note: 'größer '.repeat(50) }));
      const records = encodeRecords(
        batch,
        [5, 6].map((offset) => ({ offset, timestampMs: 1_767_225_600_000, key: null, value })),
        1_767_225_600_000,
      );
      for (let i = 0; i < 2; i++) {
        const handle = await client.workflow.start('processBatch', {
          taskQueue,
          workflowId,
          args: [{ batch, behind: { positions: { 3: 7 } } }, records],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        });
        await handle.result();
        runIds.push(handle.firstExecutionRunId);
      }
    });
    await connection.close();
  }, 300_000);
  afterEach(() => vi.unstubAllEnvs());
  afterAll(async () => {
    await client?.connection.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(args: string[], env: Record<string, string> = {}) {
    const settings = {
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      HEADRACE_DATA_DIR: join(folder, 'none'),
      ...env,
    };
    for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
    return runCommand(registerReplay, ['replay', ...args]);
  }

  async function runOf(args: string[], env?: Record<string, string>): Promise<Run> {
    const { stdout, exitCode, error } = await run([...args, '--output', 'json'], env);
    expect(error).toBeUndefined();
    expect(exitCode).toBe(0);
    return JSON.parse(stdout) as Run;
  }

  it('takes the latest run, or the one that is named; a batch also without its prefix, or as an address has it', async () => {
    const expected = { workflowId, type: 'processBatch', status: 'completed', verdict: { replays: true } };
    expect(await runOf([workflowId])).toMatchObject({ ...expected, runId: runIds[1] });
    expect(await runOf([workflowId.replace(/^batch:/, '')])).toMatchObject({ ...expected, runId: runIds[1] });
    expect(await runOf([encodeURIComponent(workflowId)])).toMatchObject({ ...expected, runId: runIds[1] });
    const named = await runOf([workflowId, '--run-id', runIds[0]!, '--rows', '1']);
    expect(named).toMatchObject({ ...expected, runId: runIds[0] });
    expect(named.steps[0]!.input![1]).toMatchObject({
      frame: 'records',
      total: 2,
      shown: 1,
      rows: [{ partition: 3, offset: 5, value: { note: expect.stringMatching(/^größer größer/) } }],
    });
  });

  it('takes the address and namespace of the system that runs on the data folder', async () => {
    const dataDir = join(folder, 'data');
    mkdirSync(join(dataDir, 'run'), { recursive: true });
    writeEndpoints(join(dataDir, 'run', 'endpoints.json'), {
      version: 1,
      supervisorPid: process.pid,
      temporal: { address, namespace, uiUrl: '', embedded: true },
    } as unknown as Endpoints);
    expect(
      await runOf([workflowId, '--data-dir', dataDir], { TEMPORAL_ADDRESS: '', TEMPORAL_NAMESPACE: '' }),
    ).toMatchObject({ workflowId });
  });

  it('reads what the temporal command and the SDK export', async () => {
    const args = [
      'workflow',
      'show',
      '--address',
      address,
      '--namespace',
      namespace,
      '--workflow-id',
      workflowId,
      '--run-id',
      runIds[0]!,
      '--output',
      'json',
    ];
    const { stdout } = await promisify(execFile)(executable, args, {
      maxBuffer: 16 * 1024 * 1024,
      env: { PATH: process.env['PATH'], HOME: folder },
    });
    const history = await client.workflow.getHandle(workflowId, runIds[0]).fetchHistory();
    const byCommand = join(folder, 'command.json');
    const bySdk = join(folder, 'sdk.json');
    writeFileSync(byCommand, stdout);
    writeFileSync(bySdk, JSON.stringify(historyToJson(history)));
    const fetched = await runOf([workflowId, '--run-id', runIds[0]!]);
    expect(await runOf([byCommand])).toEqual(fetched);
    expect(await runOf([bySdk])).toEqual(fetched);
  });

  it.each<[string, () => [string[], Record<string, string>?], () => string | RegExp]>([
    [
      'there is no such workflow',
      () => [[workflowId.replace(':5', ':6')]],
      () =>
        `there is no workflow "${workflowId.replace(':5', ':6')}" in namespace "${namespace}" of Temporal at ${address}, or it is older than the namespace's retention; check the id, TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE`,
    ],
    [
      'there is no such run',
      () => [[workflowId, '--run-id', '01a1fe18-0000-7000-8000-000000000000']],
      () => /there is no workflow ".*" with run id "01a1fe18-/,
    ],
    [
      'the run id is none',
      () => [[workflowId, '--run-id', 'first']],
      () => /the history of ".*" cannot be read from namespace .*: .*RunId/,
    ],
    [
      'there is no such namespace',
      () => [[workflowId], { TEMPORAL_NAMESPACE: 'nowhere' }],
      () => `there is no namespace "nowhere" of Temporal at ${address}; check TEMPORAL_NAMESPACE`,
    ],
    [
      'a setting is wrong',
      () => [[workflowId], { TEMPORAL_ADDRESS: 'nowhere' }],
      () => /TEMPORAL_ADDRESS: must look like host:port/,
    ],
  ])('says clearly that %s', async (_, command, says) => {
    const { error, stdout } = await run(...command());
    const expected = says();
    if (typeof expected === 'string') expect(error?.message).toBe(expected);
    else expect(error?.message).toMatch(expected);
    expect(stdout).toBe('');
  });

  it('says clearly that no server answers', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    expect((await run([workflowId], { TEMPORAL_ADDRESS: nobody })).error?.message).toMatch(
      new RegExp(`^no Temporal server answers at ${nobody}; check TEMPORAL_ADDRESS`),
    );
  });
});
