/**
 * Records the histories that `replay.test.ts` replays, from bridge and worker on real servers:
 *
 *     npx vitest run --config test/replay/record.config.ts
 *
 * From version 0.2.0 on recorded histories stand for runs that are open in somebody's Temporal. They are only ever added, never made
 * again and never removed: what exists is skipped. When one of them does not replay any more, the change of the workflow is wrong; keep
 * its old path, by `patched()` or by what its recorded data say, and record a new history under a new name for the new path.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batchWorkflowId, eventKey, partitionOf, reviewWorkflowId } from '../../contracts/event-key.ts';
import { verdictName, workflowNames } from '../../contracts/names.ts';
import { resumeWorkflowId } from '../../contracts/resume.ts';
import { redrive } from '../../temporal/redrive.ts';
import { createReviewStarter } from '../../temporal/review-starter.ts';
import { freePort, startModelServer, type ModelServer } from '../../stack/servers/index.ts';
import { linearModels, System } from '../live/system.ts';
import { until } from '../live/wait.ts';
import { isRecorded, record } from './histories.ts';

const startMs = Date.UTC(2026, 0, 1);
/** Amounts that the payments pipeline approves, sends to a person, and blocks, when they are the first of their account. */
const usual = 20;
const suspicious = 14_900;
const excessive = 16_000;

let folder: string;
let models: ModelServer;
let system: System;
let events = 0;
let batches = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-record-'));
  cpSync(join(linearModels, 'linear'), join(folder, 'repository', 'linear'), { recursive: true });
  models = await startModels(await freePort());
  // Roll-up and sweep run when a scenario asks for them, and at no other time.
  system = await System.start({
    partitions: 1,
    tritonUrl: models.address,
    env: { HEADRACE_LAKE_ROLL_UP_SECONDS: '86400', HEADRACE_SWEEP_SECONDS: '86400' },
  });
});
afterAll(async () => {
  await system?.stop();
  await models?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function startModels(port: number): Promise<ModelServer> {
  return startModelServer({ repository: join(folder, 'repository'), dataDir: join(folder, 'models'), port });
}

/** A payment of an account of its own. */
function payment(amount: number): string {
  const i = events++;
  return JSON.stringify({ id: `e${i}`, account: `a${i}`, amount, at: startMs + i * 1_000 });
}

/** Sends the values as one Kafka record batch, and returns the run that takes them: the next of the chain, for nothing else is sent. */
async function startBatch(values: string[]): Promise<WorkflowHandle> {
  await system.producer.send({
    topic: system.topic,
    acks: -1,
    messages: values.map((value) => ({ value })),
  });
  const batch = system.temporal.workflow.getHandle(batchWorkflowId({ ...topic(), layout: 0, chain: 0 }, batches++));
  await until(
    'the batch is started',
    () =>
      batch.describe().then(
        () => true,
        () => false,
      ),
    { detail: () => system.logs() },
  );
  return batch;
}

function topic() {
  return { deployment: 'test', pipeline: system.name, epoch: 0, topic: system.topic };
}

function untilRetrying(batch: WorkflowHandle): Promise<unknown> {
  return until(
    'a regular activity is retried',
    async () => (await batch.describe()).raw.pendingActivities?.some(({ attempt }) => Number(attempt) > 1),
    { detail: () => system.logs() },
  );
}

async function recordWhenDone(name: string, run: WorkflowHandle): Promise<void> {
  await run.result();
  record(name, await run.fetchHistory());
}

/** Starts a batch whose delivery to the dashboard hangs until the answer is called. */
async function startBlockedBatch(): Promise<{ batch: WorkflowHandle; release: () => Promise<void> }> {
  const blocker = await system.pool.connect();
  await blocker.query('begin; lock table decisions in access exclusive mode');
  const batch = await startBatch([payment(usual), payment(excessive)]);
  await until('a delivery is pending', async () => (await batch.describe()).raw.pendingActivities?.length, {
    detail: () => system.logs(),
  });
  return {
    batch,
    async release() {
      await blocker.query('commit');
      blocker.release();
    },
  };
}

/** Starts the review of an event of its own. */
async function startReview(timeoutMs: number): Promise<WorkflowHandle> {
  const key = eventKey(partitionOf(topic(), 0), 1_000_000 + events++);
  await createReviewStarter(system.temporal, { taskQueue: 'headrace-test', log: { warn: () => undefined } })(
    {
      eventKey: key,
      eventId: `e${events}`,
      pipeline: system.name,
      title: 'payment',
      outcome: 'review',
      why: 'a lot',
      entities: { account: 'a' },
      eventTimeMs: startMs,
      verdicts: ['fraud', 'legitimate'],
      timeoutMs,
    },
    AbortSignal.timeout(10_000),
  );
  return system.temporal.workflow.getHandle(reviewWorkflowId(key));
}

const scenario = (name: string, run: (name: string) => Promise<void>) =>
  test.skipIf(isRecorded(name))(name, () => run(name));

describe('batches', () => {
  scenario('batch-delivered', async (name) => {
    const batch = await startBatch([payment(usual), payment(suspicious), payment(excessive), payment(usual)]);
    expect(await batch.result()).toMatchObject({
      outcomes: { approve: 2, review: 1, block: 1 },
      delivered: { lake: 4, dashboard: 4, decisions: 4, review: 1 },
    });
    await recordWhenDone(name, batch);
  });

  scenario('batch-dead-letters', async (name) => {
    const batch = await startBatch([
      payment(usual),
      '{ "id": ',
      JSON.stringify({ id: 'e', account: 7 }),
      payment(usual),
    ]);
    expect(await batch.result()).toMatchObject({ outcomes: { approve: 2 }, delivered: { 'dead letters': 2 } });
    await recordWhenDone(name, batch);
  });

  scenario('batch-only-dead-letters', async (name) => {
    const batch = await startBatch(['no JSON']);
    expect(await batch.result()).toEqual({ outcomes: {}, delivered: { lake: 0, ledger: 0, 'dead letters': 1 } });
    await recordWhenDone(name, batch);
  });

  scenario('batch-model-away', async (name) => {
    const { address } = models;
    models.kill('SIGKILL');
    await models.exited;
    const batch = await startBatch([payment(usual), payment(usual)]);
    await untilRetrying(batch);
    models = await startModels(Number(address.split(':')[1]));
    await recordWhenDone(name, batch);
  });

  scenario('batch-sink-away', async (name) => {
    const { batch, release } = await startBlockedBatch();
    await release();
    await recordWhenDone(name, batch);
  });

  scenario('batch-worker-killed', async (name) => {
    const { batch, release } = await startBlockedBatch();
    await system.worker.kill();
    system.startWorker();
    await system.worker.ready;
    await release();
    await recordWhenDone(name, batch);
  });
});

describe('a try of all deliveries that is not answered', () => {
  scenario('batch-deliveries-timed-out', async (name) => {
    const blocker = await system.pool.connect();
    await blocker.query('begin; lock table decisions in access exclusive mode');
    const batch = await startBatch([payment(usual), payment(suspicious), payment(excessive)]);
    await until(
      'the dashboard waits',
      async () =>
        (await blocker.query(`select 1 from pg_locks where not granted and relation = 'decisions'::regclass`)).rowCount,
    );
    // Longer than the step may take: when the worker wakes up, its time is over.
    system.worker.signal('SIGSTOP');
    await sleep(5_000);
    system.worker.signal('SIGCONT');
    await until('a delivery is pending', async () => (await batch.describe()).raw.pendingActivities?.length, {
      detail: () => system.logs(),
    });
    await blocker.query('commit');
    blocker.release();
    expect(await batch.result()).toMatchObject({
      delivered: { lake: 3, dashboard: 3, decisions: 3, review: 1, ledger: 0 },
    });
    const { events } = await batch.fetchHistory();
    expect(events?.filter(({ markerRecordedEventAttributes: marker }) => marker?.failure)).toHaveLength(1);
    await recordWhenDone(name, batch);
  });
});

describe('a batch that was ended', () => {
  scenario('batch-redriven', async (name) => {
    const { batch, release } = await startBlockedBatch();
    await batch.terminate('by a test');
    await release();
    const { runId } = await redrive(system.temporal, batch.workflowId);
    const redriven = system.temporal.workflow.getHandle(batch.workflowId, runId);
    expect(await redriven.result()).toMatchObject({
      outcomes: { approve: 1, block: 1 },
      delivered: { dashboard: 2, ledger: 0 },
    });
    await recordWhenDone(name, redriven);
  });
});

describe('sweep', () => {
  scenario('sweep', async (name) => {
    const batch = await startBatch([payment(usual)]);
    await batch.result();
    await system.temporal.schedule.getHandle('sweep:test:headrace-test').trigger();
    const swept = await until(
      'a sweep has seen the chain',
      async () => {
        for await (const { workflowId, runId } of system.temporal.workflow.list({
          query: `WorkflowType = 'sweep' AND ExecutionStatus = 'Completed'`,
        }))
          return system.temporal.workflow.getHandle(workflowId, runId);
        return undefined;
      },
      { detail: () => system.logs() },
    );
    expect(await swept.result()).toMatchObject({ partitions: 1, incomplete: [], holes: [] });
    await recordWhenDone(name, swept);
  });
});

describe('resume', () => {
  async function resume(from?: number): Promise<WorkflowHandle> {
    return system.temporal.workflow.start(workflowNames.resume, {
      workflowId: resumeWorkflowId('test', system.name),
      taskQueue: 'headrace-test',
      args: [{ deployment: 'test', pipeline: system.name, partitions: [], ...(from === undefined ? {} : { from }) }],
    });
  }

  scenario('resume-read-again', async (name) => {
    const batch = await startBatch([payment(usual), 'no json', 'nor this']);
    await batch.result();
    const resumed = await resume(0);
    expect(await resumed.result()).toMatchObject({
      readAgain: [{ partition: 0, copied: 0, refused: expect.any(Number) as number }],
    });
    await recordWhenDone(name, resumed);
  });

  scenario('resume-tolerated', async (name) => {
    const resumed = await resume();
    expect(await resumed.result()).toEqual({ tolerated: [0] });
    await recordWhenDone(name, resumed);
  });
});

describe('reviews', () => {
  const hourMs = 3_600_000;

  scenario('review-update', async (name) => {
    const review = await startReview(hourMs);
    await review.executeUpdate(verdictName, {
      args: [{ verdict: 'fraud', reviewer: 'robin', comment: 'stolen card' }],
    });
    await recordWhenDone(name, review);
  });

  scenario('review-signal', async (name) => {
    const review = await startReview(hourMs);
    await review.signal(verdictName, { verdict: 'maybe', reviewer: 'robin' });
    await review.signal(verdictName, { verdict: 'legitimate', reviewer: 'robin' });
    await recordWhenDone(name, review);
  });

  scenario('review-escalated', async (name) => {
    const review = await startReview(200);
    await until(
      'it escalates',
      async () => ((await review.query('state')) as { status: string }).status === 'escalated',
    );
    await review.executeUpdate(verdictName, { args: [{ id: 'v1', verdict: 'fraud', reviewer: 'robin' }] });
    await recordWhenDone(name, review);
  });
});

describe('lake', () => {
  scenario('roll-up-lake', async (name) => {
    const batch = await startBatch([payment(usual)]);
    await batch.result();
    await system.temporal.schedule.getHandle('roll-up-lake:test:headrace-test').trigger();
    const rolledUp = await until(
      'a roll-up has written rows',
      async () => {
        for await (const { workflowId, runId } of system.temporal.workflow.list({
          query: `WorkflowType = 'rollUpLake' AND ExecutionStatus = 'Completed'`,
        })) {
          const run = system.temporal.workflow.getHandle(workflowId, runId);
          if (((await run.result()) as { rows: number }).rows > 0) return run;
        }
        return undefined;
      },
      { detail: () => system.logs() },
    );
    await recordWhenDone(name, rolledUp);
  });
});
