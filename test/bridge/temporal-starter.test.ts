import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BatchStart } from '../../bridge/ports.ts';
import { createTemporalStarter } from '../../bridge/temporal-starter.ts';
import { batchWorkflowId } from '../../contracts/event-key.ts';
import { workflowNames } from '../../contracts/names.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';

const run = promisify(execFile);
const startTimer = 3;
let executable: string;
let address: string;
let namespace: string;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  ({ temporal: { address, executable } } = await startLiveServers({ temporal: true }));
  namespace = await createNamespace(address);
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
}, 120_000);
afterAll(() => connection?.close());

function startOf(bytes: number): BatchStart {
  const chain = { deployment: 'd', pipeline: 'p', epoch: 0, topic: uniqueName('t'), partition: 0 };
  return { chain, position: 0, end: 1, count: 1, head: true, records: new Uint8Array(bytes), firstRecordMs: 1 };
}

/** Plays a worker that takes a workflow task. */
function takeTask(taskQueue: string) {
  return connection.withDeadline(Date.now() + 20_000, () => connection.workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue }, identity: 'test' }));
}

/** Runs the command that an operator would copy, and answers the types of the events that the new run begins with. */
async function redrive(reason: string, workflowId: string): Promise<string[]> {
  const command = /temporal (workflow reset .*)$/.exec(reason)![1]!.split(' ').map((word) => word.replaceAll('"', ''));
  await run(executable, [...command, '--address', address, '--namespace', namespace], { timeout: 20_000 });
  const { stdout } = await run(executable, ['workflow', 'show', '--workflow-id', workflowId, '--output', 'json', '--address', address, '--namespace', namespace], { timeout: 20_000 });
  return (JSON.parse(stdout) as { events: { eventType: string }[] }).events.map(({ eventType }) => eventType);
}

describe('the Temporal starter', () => {
  test('tells a refusal for size from not knowing', async () => {
    const starter = createTemporalStarter(client, uniqueName('queue'));
    expect(await starter.start(startOf(2.2 * 1024 * 1024), 5_000)).toMatchObject({ kind: 'too_large' });
    expect(await starter.start(startOf(10), 500)).toMatchObject({ kind: 'unknown' });
  }, 30_000);

  test('tells the furthest batch of a chain that was started, and knows none of another chain', async () => {
    const taskQueue = uniqueName('queue');
    const starter = createTemporalStarter(client, taskQueue);
    const first = startOf(10);
    const starts = [first, { ...first, position: 1, end: 5, head: false }, { ...first, position: 5, end: 12, head: false }];
    for (const start of starts) await starter.start(start, 500);
    const other = { ...first.chain, partition: 10 };
    await starter.start({ ...first, chain: other, position: 70, end: 71 }, 500);
    await expect.poll(() => starter.lastStarted(first.chain, 5_000), { timeout: 20_000 }).toEqual({ position: 5, head: false });
    await expect.poll(() => starter.lastStarted(other, 5_000), { timeout: 20_000 }).toEqual({ position: 70, head: true });
    expect(await starter.lastStarted({ ...first.chain, epoch: 1 }, 5_000)).toBeUndefined();
  }, 60_000);

  test('a run that ended before anything was recorded is re-driven from its first workflow task', async () => {
    const taskQueue = uniqueName('queue');
    const start = startOf(10);
    const workflowId = batchWorkflowId(start.chain, 0);
    const { firstExecutionRunId } = await client.workflow.start(workflowNames.processBatch, { workflowId, taskQueue });
    const handle = client.workflow.getHandle(workflowId, firstExecutionRunId);
    await takeTask(taskQueue);
    await handle.terminate('test');
    const answer = await createTemporalStarter(client, taskQueue).start(start, 5_000);
    expect(answer).toMatchObject({ kind: 'blocked', reason: expect.stringContaining('--type FirstWorkflowTask') as string });
    const { reason } = answer as { reason: string };
    expect(await redrive(reason, workflowId)).toContain('EVENT_TYPE_WORKFLOW_EXECUTION_STARTED');
    expect((await handle.describe()).status.name).toBe('TERMINATED');
    expect((await client.workflow.getHandle(workflowId).describe()).status.name).toBe('RUNNING');
  }, 30_000);

  test('a run whose decisions are recorded is re-driven from its second workflow task, and keeps them', async () => {
    const taskQueue = uniqueName('queue');
    const start = startOf(10);
    const workflowId = batchWorkflowId(start.chain, 0);
    const { firstExecutionRunId } = await client.workflow.start(workflowNames.processBatch, { workflowId, taskQueue });
    const handle = client.workflow.getHandle(workflowId, firstExecutionRunId);
    const { taskToken } = await takeTask(taskQueue);
    const timer = { commandType: startTimer, startTimerCommandAttributes: { timerId: '1', startToFireTimeout: { nanos: 1_000_000 } } };
    await connection.workflowService.respondWorkflowTaskCompleted({ namespace, taskToken, identity: 'test', commands: [timer] });
    await takeTask(taskQueue);
    await handle.terminate('test');
    const answer = await createTemporalStarter(client, taskQueue).start(start, 5_000);
    expect(answer).toMatchObject({ kind: 'blocked' });
    const { reason } = answer as { reason: string };
    expect(await redrive(reason, workflowId)).toEqual(expect.arrayContaining(['EVENT_TYPE_TIMER_STARTED', 'EVENT_TYPE_TIMER_FIRED']));
  }, 60_000);
});
