import { Client, Connection } from '@temporalio/client';
import { temporal as proto } from '@temporalio/proto';
import { Kafka, logLevel, type Admin, type Consumer } from 'kafkajs';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { registerChains } from '../../cli/chains.ts';
import type { ChainsReport } from '../../cli/positions/chains-text.ts';
import { registerEpoch } from '../../cli/epoch.ts';
import { registerRedrive } from '../../cli/redrive.ts';
import { batchWorkflowId } from '../../contracts/event-key.ts';
import type { BatchMemo } from '../../contracts/names.ts';
import { decodeCommitMetadata, encodeCommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import { commitForGroup } from '../../kafka/group-commit.ts';
import { dataConverter } from '../../temporal/connection.ts';
import { openDatabase } from '../database/open.ts';
import { until } from '../live/wait.ts';
import { connectProducer } from '../kafka/kafka-rig.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';
import { runCommand } from './run-command.ts';

/** Real servers without any process of ours: what is committed, and which runs there are, is up to each test. */

let kafka: Kafka;
let admin: Admin;
let temporal: Client;
let pool: Pool;
let env: Record<string, string>;
let topic: string;
let groupId: string;
const deployment = uniqueName('d');
let pipeline: string;

beforeAll(async () => {
  const servers = await startLiveServers({ kafka: true, temporal: true });
  kafka = new Kafka({ clientId: 'test', brokers: servers.kafka.brokers, logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  await admin.connect();
  const { address } = servers.temporal;
  const namespace = await createNamespace(address);
  temporal = new Client({
    connection: await Connection.connect({ address }),
    namespace,
    dataConverter: dataConverter({ key: undefined, oldKeys: undefined }),
  });
  const database = await openDatabase();
  ({ pool } = database);
  env = {
    HEADRACE_DEPLOYMENT: deployment,
    HEADRACE_DATA_DIR: '/nowhere',
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    KAFKA_BROKERS: servers.kafka.brokers.join(','),
    DATABASE_URL: database.url,
  };
}, 180_000);
beforeEach(async () => {
  topic = uniqueName('topic');
  pipeline = uniqueName('p');
  groupId = `headrace.${deployment}.${pipeline}`;
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: true });
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(async () => {
  await admin?.disconnect();
  await temporal?.connection.close();
  await pool?.end();
});

const commands: Record<string, typeof registerChains> = {
  chains: registerChains,
  epoch: registerEpoch,
  redrive: registerRedrive,
};
function command(...args: string[]) {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return runCommand(commands[args[0]!]!, args);
}
const set = (chains: number) => command('chains', 'set', String(chains), '--pipeline', pipeline);
async function show(): Promise<ChainsReport> {
  const { stdout, error } = await command('chains', 'show', '--pipeline', pipeline, '--output', 'json');
  if (error) throw error;
  return (JSON.parse(stdout) as ChainsReport[])[0]!;
}

const chain = () => ({ deployment, pipeline, epoch: 0, topic, layout: 0, chain: 0 });
/** All partitions in one chain, whose batch 4 was scored. */
async function begin(): Promise<void> {
  const metadata = encodeCommitMetadata({ epoch: 0, layout: 0, chains: 1, sequence: 4 });
  await commitForGroup(kafka, groupId, topic, new Map([0, 1, 2].map((each) => [each, { offset: 0, metadata }])));
}
async function committed() {
  const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
  return answer!.partitions
    .toSorted((a, b) => a.partition - b.partition)
    .map(({ offset, metadata }) => [Number(offset), decodeCommitMetadata(metadata)]);
}

/** Nobody works on it. */
function startBatch(sequence: number, positions: Record<number, number>) {
  const memo: BatchMemo = { ranges: [], positions, untouched: [], startId: 's', chains: 1 };
  return temporal.workflow.start('processBatch', {
    taskQueue: `${pipeline}-${sequence}`,
    workflowId: batchWorkflowId(chain(), sequence),
    memo: { ...memo },
    args: [],
  });
}

/** Does what a worker does of a batch that completes. */
async function complete(sequence: number): Promise<void> {
  const namespace = env['TEMPORAL_NAMESPACE']!;
  const taskQueue = { name: `${pipeline}-${sequence}` };
  const { taskToken } = await temporal.withDeadline(Date.now() + 60_000, () =>
    temporal.workflowService.pollWorkflowTaskQueue({ namespace, taskQueue, identity: 'test' }),
  );
  const completed = proto.api.enums.v1.CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION;
  await temporal.workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    commands: [{ commandType: completed, completeWorkflowExecutionCommandAttributes: {} }],
  });
}

async function join(): Promise<Consumer> {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10_000 });
  await consumer.connect();
  await consumer.subscribe({ topic });
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
  await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
  await joined;
  return consumer;
}

describe('headrace chains', { timeout: 120_000 }, () => {
  test('commits every partition anew under the next layout, in one request', async () => {
    await begin();
    // The last two batches were not committed.
    await startBatch(5, { 0: 3, 1: 0, 2: 0 });
    await startBatch(6, { 0: 5, 1: 0, 2: 7 });
    await Promise.all([complete(5), complete(6)]);
    expect(await show()).toMatchObject({ layout: 0, chains: 1, members: 0, list: [{ sequence: 6, open: null }] });
    // The list of runs is a moment late.
    const { stdout } = await until('no batch is open', async () => {
      const said = await set(2);
      return said.error === undefined && said;
    });
    expect(stdout).toBe(
      `${topic} is read in 2 chains from now on (layout 1), each partition from where it was. Write topic.chains: 2 into the file of pipeline "${pipeline}", and start the bridges again.\n`,
    );
    const metadata = { epoch: 0, layout: 1, chains: 2 };
    expect(await committed()).toEqual([
      [5, metadata],
      [0, metadata],
      [7, metadata],
    ]);
    expect((await show()).list).toMatchObject([
      { layout: 1, chain: 0, partitions: [0, 2], sequence: null },
      { chain: 1, partitions: [1] },
    ]);
    expect((await set(2)).stdout).toContain('is read in 2 chains already, in layout 1');
    expect((await set(4)).error?.message).toContain('so it can have 1 to 3 chains, and not 4');
  });

  test('is refused while a batch has not completed, and says what to do', async () => {
    await begin();
    const run = await startBatch(5, { 0: 5, 1: 0, 2: 7 });
    expect(await show()).toMatchObject({ list: [{ open: { workflowId: run.workflowId, status: 'RUNNING' } }] });
    expect((await set(2)).error?.message).toContain(`${run.workflowId} has not completed (it is RUNNING)`);
    await run.terminate('for a test');
    expect((await set(2)).error?.message).toContain(
      `re-drive it, and wait until it has completed: npx headrace redrive`,
    );
    const before = await committed();
    expect(before[0]).toEqual([0, { epoch: 0, layout: 0, chains: 1, sequence: 4 }]);

    // A batch far below what is committed, of which only the list of runs tells.
    await temporal.workflowService.deleteWorkflowExecution({
      namespace: env['TEMPORAL_NAMESPACE']!,
      workflowExecution: { workflowId: run.workflowId },
    });
    const old = await startBatch(1, {});
    await until('the list has the old one alone', async () =>
      (await set(2)).error?.message.startsWith(`${old.workflowId} has not completed`),
    );
    expect(await committed()).toEqual(before);
  });

  test('is refused while the group has a member, by the command and by the broker itself', async () => {
    await begin();
    const consumer = await join();
    try {
      expect((await set(2)).error?.message).toContain(`the consumer group ${groupId} has a member: stop all bridges`);
      await expect(begin()).rejects.toThrow(`the consumer group ${groupId} has members: stop all its bridges first`);
    } finally {
      await consumer.disconnect();
    }
  });

  test('is refused where somebody else has committed', async () => {
    await begin();
    await commitForGroup(kafka, groupId, topic, new Map([[1, { offset: 3, metadata: '' }]]));
    expect((await set(2)).error?.message).toContain(`${topic}-1 does not come from a bridge`);
  });
});

describe('headrace epoch bump', { timeout: 120_000 }, () => {
  const bump = (...args: string[]) => command('epoch', 'bump', '--pipeline', pipeline, ...args);

  test('commits every partition under the next epoch, the named ones elsewhere', async () => {
    await begin();
    const producer = await connectProducer(kafka);
    await producer.send({ topic, acks: -1, messages: [0, 1, 1].map((partition) => ({ partition, value: 'x' })) });
    await producer.disconnect();
    const run = await startBatch(5, {});
    expect((await bump('--partition', '1', '--start', 'latest')).error?.message).toContain('has not completed');
    await run.terminate('for a test');
    await temporal.workflowService.deleteWorkflowExecution({
      namespace: env['TEMPORAL_NAMESPACE']!,
      workflowExecution: { workflowId: run.workflowId },
    });
    const { stdout } = await until('the run is gone', async () => {
      const said = await bump('--partition', '1,2', '--start', 'latest');
      return said.error === undefined && said;
    });
    expect(stdout).toBe(
      `${topic} is in epoch 1 of pipeline "${pipeline}" now: partition 1 at offset 2, 2 at offset 0; the other one is where it was. Start the bridges again.\n`,
    );
    const metadata = { epoch: 1, layout: 0, chains: 1, first: true };
    expect(await committed()).toEqual([
      [0, metadata],
      [2, metadata],
      [0, metadata],
    ]);
    expect(await show()).toMatchObject({ epoch: 1, list: [{ sequence: null }] });
  });

  test('needs the pipeline file where Kafka has forgotten the commits', async () => {
    expect((await bump('--partition', '0', '--start', 'earliest')).error?.message).toContain(
      `it is not known which topic pipeline "${pipeline}" reads: set HEADRACE_PIPELINES_DIR`,
    );
  });
});

describe('headrace redrive', { timeout: 60_000 }, () => {
  test('refuses an id that ends in an offset, and names what an id looks like', async () => {
    const { error } = await command('redrive', `batch:${deployment}:${pipeline}:0:${topic}:3:1500`);
    expect(error?.message).toBe(
      `"batch:${deployment}:${pipeline}:0:${topic}:3:1500" is no batch id; one looks like batch:deployment:pipeline:epoch:topic:layout.chain:sequence`,
    );
  });

  test('takes an id also without its prefix', async () => {
    const run = await startBatch(0, {});
    const { stderr, exitCode } = await command('redrive', run.workflowId.replace(/^batch:/, ''));
    expect(stderr).toBe(`${run.workflowId} is not re-driven: it is running\n`);
    expect(exitCode).toBe(1);
  });
});
