import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BatchStart } from '../../temporal/starter.ts';
import { createTemporalStarter } from '../../temporal/temporal-starter.ts';
import { batchWorkflowId, batchWorkflowIdPrefix } from '../../contracts/event-key.ts';
import { workflowNames } from '../../contracts/names.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';

let address: string;
let namespace: string;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  ({
    temporal: { address },
  } = await startLiveServers({ temporal: true }));
  namespace = await createNamespace(address);
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
}, 120_000);
afterAll(() => connection?.close());

function startOf(bytes: number): BatchStart {
  const chain = { deployment: 'd', pipeline: 'p', epoch: 0, topic: uniqueName('t'), partition: 0 };
  return {
    chain,
    position: 0,
    end: 1,
    count: 1,
    head: true,
    records: new Uint8Array(bytes),
    first: { offset: 0, hash: 'h' },
    firstRecordMs: 1,
  };
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
    const starts = [
      first,
      { ...first, position: 1, end: 5, head: false },
      { ...first, position: 5, end: 12, head: false },
    ];
    for (const start of starts) await starter.start(start, 500);
    const other = { ...first.chain, partition: 10 };
    await starter.start({ ...first, chain: other, position: 70, end: 71 }, 500);
    await starter.start({ ...first, chain: other, position: 75, end: 76 }, 500);
    await expect
      .poll(
        () =>
          client.workflow.count(`WorkflowId STARTS_WITH '${batchWorkflowIdPrefix(other)}'`).then(({ count }) => count),
        { timeout: 20_000 },
      )
      .toBe(2);
    await expect
      .poll(() => starter.lastStarted(first.chain, 5_000), { timeout: 20_000 })
      .toEqual({ position: 5, end: 12, head: false, first: { offset: 0, hash: 'h' } });
    await expect
      .poll(() => starter.lastStarted(other, 5_000), { timeout: 20_000 })
      .toEqual({ position: 70, end: 71, head: true, first: { offset: 0, hash: 'h' } });
    expect(await starter.lastStarted({ ...first.chain, epoch: 1 }, 5_000)).toBeUndefined();
  }, 60_000);

  test('is blocked by a run that ended without completing, and names the command that re-drives it', async () => {
    const taskQueue = uniqueName('queue');
    const start = startOf(10);
    const workflowId = batchWorkflowId(start.chain, 0);
    await client.workflow.start(workflowNames.processBatch, { workflowId, taskQueue });
    await client.workflow.getHandle(workflowId).terminate('test');
    const answer = await createTemporalStarter(client, taskQueue).start(start, 5_000);
    expect(answer).toEqual({
      kind: 'blocked',
      reason: `${workflowId} ended as TERMINATED and its records were not all decided; re-drive it: npx headrace redrive ${workflowId}`,
    });
  }, 30_000);
});
