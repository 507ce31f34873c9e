import { Client, Connection } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { redrive } from '../../temporal/redrive.ts';
import type { BatchStart } from '../../temporal/starter.ts';
import { createTemporalStarter } from '../../temporal/temporal-starter.ts';
import { batchWorkflowId, type ChainRef } from '../../contracts/event-key.ts';
import { workflowNames, type ScoredReply } from '../../contracts/names.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';

let address: string;
let namespace: string;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  const servers = await startLiveServers({ temporal: true });
  ({ address } = servers.temporal);
  namespace = await createNamespace(address);
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
}, 120_000);
afterAll(() => connection?.close());

function chainRef(): ChainRef {
  return { deployment: 'd', pipeline: 'p', epoch: 0, topic: uniqueName('t'), layout: 0, chain: 0 };
}

function startOf(bytes: number, chain = chainRef(), sequence = 0): BatchStart {
  const end = sequence * 5 + 5;
  return {
    chain,
    chains: 3,
    sequence,
    ranges: [{ partition: chain.chain, position: end - 5, end, count: 5, mark: { offset: end - 5, hash: 'h' } }],
    positions: { [chain.chain]: end, [chain.chain + 3]: 70 },
    untouched: [chain.chain + 3],
    records: new Uint8Array(bytes),
    firstRecordMs: 1,
  };
}

/** Starts a batch whose run nobody works at, and waits until it is listed. */
async function startAndList(taskQueue: string, starts: readonly BatchStart[]): Promise<void> {
  const starter = createTemporalStarter(client, taskQueue);
  for (const start of starts) {
    await starter.start(start, 500, false);
    const query = `WorkflowId = '${batchWorkflowId(start.chain, start.sequence)}'`;
    await expect.poll(() => client.workflow.count(query).then(({ count }) => count), { timeout: 20_000 }).toBe(1);
  }
}

/** What the server has to say of a run that was started so. */
function runOf({ chain: _, records: _records, firstRecordMs: _first, after: _after, ...run }: BatchStart) {
  return { ...run, startId: expect.any(String) as string };
}

describe('the Temporal starter', () => {
  test('tells a refusal for size from not knowing', async () => {
    const starter = createTemporalStarter(client, uniqueName('queue'));
    expect(await starter.start(startOf(2.2 * 1024 * 1024), 5_000, false)).toMatchObject({ kind: 'too_large' });
    expect(await starter.start(startOf(10), 500, false)).toMatchObject({ kind: 'unknown' });
  }, 30_000);

  test('asks again for a batch that is being scored without sending its frame, and sends it where no run is known', async () => {
    const taskQueue = uniqueName('queue');
    const starter = createTemporalStarter(client, taskQueue);
    const sends = vi.spyOn(client.workflow, 'executeUpdateWithStart');
    const start = startOf(10);
    const { ranges, positions } = start;
    try {
      expect(await starter.start(start, 2_000, true)).toMatchObject({ kind: 'unknown' });
      expect(sends).toHaveBeenCalledTimes(1);
      expect(await starter.start(start, 500, true)).toMatchObject({ kind: 'unknown' });
      const answered = starter.start(start, 20_000, true);
      await answerUpdate(taskQueue, { ranges, positions, startId: 'first' });
      expect(await answered).toEqual({ kind: 'scored', ranges, positions, startId: 'first' });
      expect(await starter.start(start, 20_000, true)).toMatchObject({ kind: 'scored', startId: 'first' });
      expect(sends).toHaveBeenCalledTimes(1);
    } finally {
      sends.mockRestore();
    }
  }, 60_000);

  test('tells the run of a number that was scored, else the highest that is listed, and knows none of another chain', async () => {
    const taskQueue = uniqueName('queue');
    const starter = createTemporalStarter(client, taskQueue);
    const chain = chainRef();
    const other = { ...chain, chain: 1 };
    const starts = [0, 1, 10].map((sequence) => startOf(10, chain, sequence));
    // The text of its id is that of chain 1 and more.
    await startAndList(taskQueue, [...starts, startOf(10, { ...chain, chain: 10 }, 70), startOf(10, other, 7)]);
    expect(await starter.lastRun(chain, undefined, 5_000)).toMatchObject({ ...runOf(starts[2]!), isScored: false });
    expect(await starter.lastRun(chain, 1, 5_000)).toMatchObject({ ...runOf(starts[1]!), isScored: true });
    expect(await starter.lastRun(chain, 4, 5_000)).toMatchObject({ sequence: 10, isScored: false });
    expect(await starter.lastRun(other, undefined, 5_000)).toMatchObject({ sequence: 7 });
    expect(await starter.lastRun({ ...chain, epoch: 1 }, undefined, 5_000)).toBeUndefined();
    expect(await starter.lastRun({ ...chain, layout: 1 }, undefined, 5_000)).toBeUndefined();
  }, 90_000);

  test('tells the newest layout of a topic, with its number of chains', async () => {
    const taskQueue = uniqueName('queue');
    const starter = createTemporalStarter(client, taskQueue);
    const chain = chainRef();
    expect(await starter.lastLayout(chain, 5_000)).toBeUndefined();
    await startAndList(taskQueue, [
      { ...startOf(10, { ...chain, layout: 2 }, 1), chains: 4 },
      startOf(10, { ...chain, layout: 1 }, 9),
    ]);
    expect(await starter.lastLayout(chain, 5_000)).toEqual({ layout: 2, chains: 4 });
    expect(await starter.lastLayout({ ...chain, epoch: 1 }, 5_000)).toBeUndefined();
  }, 60_000);

  test('a run that completed is scored, and answers for the positions of the whole chain', async () => {
    const taskQueue = uniqueName('queue');
    const start = startOf(10);
    const { ranges, positions, untouched } = start;
    const memo = { ranges, positions, untouched, chains: 3, startId: 'first' };
    const workflowId = batchWorkflowId(start.chain, 0);
    const handle = await client.workflow.start(workflowNames.processBatch, { workflowId, taskQueue, memo });
    await completeFirstTask(taskQueue);
    await handle.result();
    for (const again of [false, true]) {
      const answer = await createTemporalStarter(client, taskQueue).start(start, 5_000, again);
      expect(answer).toEqual({ kind: 'scored', ranges, positions, untouched, startId: 'first' });
    }
  }, 30_000);

  test('is blocked by a run that ended without completing, and names the command that re-drives it', async () => {
    const taskQueue = uniqueName('queue');
    const start = startOf(10);
    const workflowId = batchWorkflowId(start.chain, 0);
    await createTemporalStarter(client, taskQueue).start(start, 500, false);
    await client.workflow.getHandle(workflowId).terminate('test');
    for (const again of [false, true]) {
      const answer = await createTemporalStarter(client, taskQueue).start(start, 5_000, again);
      expect(answer).toEqual({
        kind: 'blocked',
        reason: `${workflowId} ended as TERMINATED and its records were not all decided; re-drive it: npx headrace redrive ${workflowId}`,
      });
    }
  }, 30_000);

  test('a run that is terminated while its update is polled blocks the chain', async () => {
    const taskQueue = uniqueName('queue');
    const starter = createTemporalStarter(client, taskQueue);
    const start = startOf(10);
    await starter.start(start, 500, false);
    const polled = starter.start(start, 20_000, true);
    await client.workflow.getHandle(batchWorkflowId(start.chain, 0)).terminate('test');
    const first = await polled;
    // A server may also say that the update is gone.
    expect(['blocked', 'unknown']).toContain(first.kind);
    expect(await starter.start(start, 5_000, true)).toMatchObject({ kind: 'blocked' });
  }, 30_000);

  test('is blocked by a run that somebody started by hand, which is not re-driven but removed', async () => {
    const taskQueue = uniqueName('queue');
    const start = startOf(10);
    const workflowId = batchWorkflowId(start.chain, 0);
    await client.workflow.start(workflowNames.processBatch, { workflowId, taskQueue, args: ['x'] });
    await client.workflow.getHandle(workflowId).terminate('test');
    const remove = `no bridge has started it, so it holds no records; remove it, and the bridge starts the batch: temporal workflow delete --workflow-id ${workflowId} --namespace ${namespace}`;
    await expect(redrive(client, workflowId)).rejects.toThrow(remove);
    const answer = await createTemporalStarter(client, taskQueue).start(start, 5_000, false);
    expect(answer).toEqual({ kind: 'blocked', reason: `${workflowId} ended as TERMINATED; ${remove}` });
  }, 30_000);
});

/** Does a worker's part of a run that has nothing to do. */
async function completeFirstTask(taskQueue: string): Promise<void> {
  const { workflowService } = connection;
  const { taskToken } = await connection.withDeadline(Date.now() + 10_000, () =>
    workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
  );
  await workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    commands: [
      {
        commandType: temporal.api.enums.v1.CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        completeWorkflowExecutionCommandAttributes: {},
      },
    ],
  });
}

/** Does a worker's part of a run whose update is answered so. */
async function answerUpdate(taskQueue: string, reply: ScoredReply): Promise<void> {
  const { workflowService } = connection;
  const { taskToken, messages } = await connection.withDeadline(Date.now() + 10_000, () =>
    workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
  );
  const { id, eventId, protocolInstanceId, body } = messages[0]!;
  const { Acceptance, Request, Response } = temporal.api.update.v1;
  const request = Request.decode(body!.value!);
  const accepted = Acceptance.encode({
    acceptedRequestMessageId: id,
    acceptedRequestSequencingEventId: eventId,
    acceptedRequest: request,
  });
  const outcome = { success: { payloads: [defaultPayloadConverter.toPayload(reply)] } };
  const answered = Response.encode({ meta: request.meta, outcome });
  const anyOf = (name: string, value: Uint8Array) => ({
    type_url: `type.googleapis.com/temporal.api.update.v1.${name}`,
    value,
  });
  await workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    messages: [
      { id: 'accepted', protocolInstanceId, body: anyOf('Acceptance', accepted.finish()) },
      { id: 'answered', protocolInstanceId, body: anyOf('Response', answered.finish()) },
    ],
    commands: ['accepted', 'answered'].map((messageId) => ({
      commandType: temporal.api.enums.v1.CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE,
      protocolMessageCommandAttributes: { messageId },
    })),
  });
}
