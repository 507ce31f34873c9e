import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { registerStatus } from '../../cli/status.ts';
import type { VerifyReport } from '../../cli/verify-report.ts';
import { ensureSchedule } from '../../temporal/schedules.ts';
import { runCommand } from '../cli/run-command.ts';
import { root, textOf } from '../source-tree.ts';
import { FaultProxy } from '../faults/proxy/fault-proxy.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { Child } from './child.ts';
import { linearModels, System } from './system.ts';
import { until } from './wait.ts';

/** What stands is told, with its reason, by whoever can still tell it; and all is well only when all is. */

const startMs = Date.UTC(2026, 0, 1);
let system: System;
/** Between the worker and the model server. */
let models: FaultProxy;
let events = 0;

beforeAll(async () => {
  // The sweep runs when a test asks for it.
  const {
    models: { address },
  } = await startLiveServers({ models: linearModels });
  models = await FaultProxy.start(Number(address.split(':').at(-1)));
  system = await System.start({
    partitions: 2,
    tritonUrl: models.address,
    env: { HEADRACE_SWEEP_SECONDS: '86400', HEADRACE_LAKE_ROLL_UP_SECONDS: '86400' },
  });
});
afterAll(async () => {
  await system?.stop();
  await models?.stop();
});
afterEach(() => void vi.unstubAllEnvs());

const message = (partition: number, timestampMs = Date.now()) => {
  const i = events++;
  return {
    partition,
    timestamp: String(timestampMs),
    value: JSON.stringify({ id: `e${i}`, account: `a${i % 7}`, amount: (i * 37) % 1_000, at: startMs + i * 500 }),
  };
};
const produce = (partition: number, count = 5) =>
  system.producer.send({
    topic: system.topic,
    acks: -1,
    messages: Array.from({ length: count }, () => message(partition)),
  });

async function verify(...args: string[]): Promise<{ report: VerifyReport; exitCode: number }> {
  const { metrics } = (await system.bridge.ready) as { metrics: string };
  for (const [name, value] of Object.entries({ ...system.env, HEADRACE_METRICS_TARGETS: metrics }))
    vi.stubEnv(name, value);
  const { stdout, error, exitCode } = await runCommand(registerStatus, [
    'status',
    '--verify',
    '--output',
    'json',
    ...args,
  ]);
  if (error) throw error;
  return { report: JSON.parse(stdout) as VerifyReport, exitCode };
}

/** Asks until a report is as it should be, and shows the last one when none is. */
async function untilReport(what: string, is: (report: VerifyReport) => boolean): Promise<VerifyReport> {
  let last: VerifyReport | undefined;
  const isSo = async () => is((last = (await verify()).report));
  await until(what, isSo, {
    timeoutMs: 90_000,
    detail: () => `${JSON.stringify({ ...last, ledger: undefined }, undefined, 1)}\n${system.logs()}`,
  });
  return last!;
}
const untilWell = () =>
  untilReport(
    'all is well',
    ({ verdict, partitions }) =>
      verdict === 'well' && partitions.length === 2 && partitions.every(({ lag }) => lag === 0),
  );
const problemOf = ({ problems }: VerifyReport, kind: string) => problems.find((problem) => problem.kind === kind);
const partitionOf = ({ partitions }: VerifyReport, partition: number) =>
  partitions.find((each) => each.partition === partition)!;

/** The one run that is open, when its steps are pending. */
async function openRun() {
  return until(
    'a run with a pending step',
    async () => {
      for await (const { workflowId } of system.temporal.workflow.list({
        query: `WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'`,
      })) {
        const { raw } = await system.temporal.workflow.getHandle(workflowId).describe();
        const [pending] = raw.pendingActivities ?? [];
        if (pending) return { workflowId, type: pending.activityType!.name!, id: pending.activityId! };
      }
      return undefined;
    },
    { detail: () => system.logs() },
  );
}

describe('status --verify', () => {
  test('ends with 0 only when nothing stands, and with 2 when not everything could be looked at', async () => {
    await produce(0);
    await produce(1);
    await untilWell();
    expect((await verify()).exitCode).toBe(0);
    vi.stubEnv('DATABASE_URL', 'postgres://headrace@127.0.0.1:1/headrace');
    const env = system.env['DATABASE_URL']!;
    system.env['DATABASE_URL'] = 'postgres://headrace@127.0.0.1:1/headrace';
    try {
      const { report, exitCode } = await verify();
      expect(report).toMatchObject({
        verdict: 'unknown',
        ok: false,
        unknown: { Postgres: expect.stringContaining('check DATABASE_URL') },
      });
      expect(report.partitions).toMatchObject([{ lag: 0 }, { lag: 0 }]);
      expect(exitCode).toBe(2);
    } finally {
      system.env['DATABASE_URL'] = env;
    }
  });

  test('the gateway says the same, and its metrics have every figure that an alert is about', async () => {
    const [{ metrics: ofBridge }, { metrics: ofWorker }] = (await Promise.all([
      system.bridge.ready,
      system.worker.ready,
    ])) as { metrics: string }[] as [{ metrics: string }, { metrics: string }];
    const gateway = new Child('gateway', join(root, 'gateway', 'main.ts'), {
      ...system.env,
      HEADRACE_GATEWAY_PORT: '0',
      HEADRACE_METRICS_TARGETS: `${ofBridge},${ofWorker},127.0.0.1:1`,
    });
    try {
      const { url } = (await gateway.ready) as { url: string };
      const status = (await (await fetch(`${url}/v1/status`)).json()) as {
        pipelines: unknown[];
        problems: unknown[];
        schedules: unknown[];
        unknown: object;
      };
      expect(status).toMatchObject({
        pipelines: [
          {
            name: system.name,
            partitions: [
              { partition: 0, doneBelow: 5, logEnd: 5, lag: 0, waiting: { kind: 'records' } },
              { partition: 1, lag: 0 },
            ],
          },
        ],
        problems: [{ kind: 'process', place: '127.0.0.1:1', short: 'the process 127.0.0.1:1 does not answer' }],
        schedules: [
          { name: 'roll-up-lake', state: 'running', everySeconds: 86_400, ageSeconds: expect.any(Number) },
          { name: 'sweep', state: 'running' },
        ],
        unknown: {},
      });
      const page = await (await fetch(`${url}/metrics`)).text();
      const named = new Set(
        [...textOf('deploy/prometheus/headrace-rules.yml').matchAll(/\bheadrace_\w+/g)].map(([name]) => name),
      );
      expect(named.size).toBeGreaterThan(15);
      expect([...named].filter((name) => !page.includes(`# HELP ${name} `))).toEqual([]);
      expect(page).toContain('headrace_standstills{kind="any"} 1');
      expect(page).toContain(`headrace_process_up{target="${ofBridge}"} 1`);
      expect(page).toContain('headrace_process_up{target="127.0.0.1:1"} 0');
      expect(page).toMatch(/headrace_schedule_age_seconds\{schedule="sweep"\} \d/);
      expect(page).toMatch(/headrace_disk_free_ratio\{folder="lake"\} 0\.\d/);
    } finally {
      await gateway.stop();
    }
  });

  test('tells of a schedule that was paused or deleted', async () => {
    const schedule = system.temporal.schedule.getHandle('sweep:test:headrace-test');
    await schedule.pause('for a test');
    expect(problemOf((await verify()).report, 'schedule')!.text).toContain(
      'the schedule sweep:test:headrace-test is paused ("for a test"), so chains are not checked for holes',
    );
    expect(problemOf((await verify()).report, 'schedule')!.text).toMatch(
      `let it go on: temporal schedule toggle --unpause --schedule-id sweep:test:headrace-test --namespace ${system.temporal.options.namespace}`,
    );
    await schedule.unpause();
    await system.temporal.schedule.getHandle('roll-up-lake:test:headrace-test').delete();
    const { report, exitCode } = await verify();
    expect(problemOf(report, 'schedule')!.text).toBe(
      'the schedule roll-up-lake:test:headrace-test is missing, so the lake is not rolled up: start a worker again, which makes it',
    );
    expect(exitCode).toBe(1);
    await ensureSchedule(system.temporal, {
      workflowType: 'rollUpLake',
      deployment: 'test',
      taskQueue: 'headrace-test',
      everySeconds: 86_400,
    });
  });

  test('tells of a step that fails, and who has paused it', { timeout: 180_000 }, async () => {
    await models.set({ kind: 'refuse' });
    await produce(0);
    const failing = await untilReport('it fails', (report) => problemOf(report, 'failing') !== undefined);
    expect(problemOf(failing, 'failing')!.text).toMatch(
      new RegExp(
        `^${system.topic}-0 of ${system.name}: 5 records wait, the oldest for .*; a step of its batch fails and is tried again, for \\d+ s: step infer of batch:test:\\S+, attempt \\d+: MODEL_UNAVAILABLE: `,
      ),
    );
    // The bridge's log has the reason: nobody has to know which process to look at.
    expect(system.bridge.log()).toContain('waiting for a step that fails: step infer');

    const { workflowId, type } = await openRun();
    const { namespace } = system.temporal.options;
    await system.temporal.workflowService.pauseActivity({
      namespace,
      execution: { workflowId },
      type,
      identity: 'ann@desk',
      reason: 'lunch',
    });
    const paused = await untilReport('it is paused', (report) => problemOf(report, 'paused') !== undefined);
    expect(problemOf(paused, 'paused')!.text).toMatch(
      /step infer of batch:\S+, which failed last with MODEL_UNAVAILABLE: .*, is paused \("lunch"\) by ann@desk; let it go on: temporal activity unpause --workflow-id batch:/,
    );
    expect(partitionOf(paused, 0)).toMatchObject({
      lag: 5,
      run: workflowId,
      waiting: { kind: 'paused', by: 'ann@desk' },
    });
    const { metrics } = (await system.bridge.ready) as { metrics: string };
    expect(await (await fetch(`http://${metrics}/partitions.json`)).text()).not.toContain('ann@desk');
    expect(await (await fetch(`http://${metrics}/metrics`)).text()).toMatch(
      new RegExp(
        `headrace_bridge_waiting\\{pipeline="${system.name}",topic="${system.topic}",partition="0",reason="paused"\\} 1`,
      ),
    );
    expect(system.bridge.log()).not.toContain('ann@desk');

    await models.heal();
    await system.temporal.workflowService.unpauseActivity({
      namespace,
      execution: { workflowId },
      type,
      resetAttempts: true,
    });
    await untilWell();
  });

  test('counts what an open transaction hides, with its reason and age, with and without a bridge', {
    timeout: 180_000,
  }, async () => {
    const producer = system.kafka.producer({
      transactionalId: uniqueName('tx'),
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    try {
      await transaction.send({
        topic: system.topic,
        messages: [message(0, Date.now() - 3 * 86_400_000), message(0), message(0)],
      });
      const open = await untilReport(
        'the transaction',
        (report) => problemOf(report, 'transaction')?.text.includes('the oldest for 3 days') === true,
      );
      expect(partitionOf(open, 0)).toMatchObject({ lag: 3, waiting: { kind: 'transaction' } });
      expect(problemOf(open, 'transaction')!.text).toContain(
        `${system.topic}-0 of ${system.name}: 3 records wait, the oldest for 3 days; waiting for a transaction to end, for`,
      );

      await system.bridge.kill();
      await produce(1, 2);
      const alone = await untilReport('nobody reads', (report) => problemOf(report, 'no_bridge') !== undefined);
      expect(partitionOf(alone, 0)).toMatchObject({ lag: 3, waiting: { kind: 'transaction' } });
      expect(Math.round(partitionOf(alone, 0).oldestSeconds! / 86_400)).toBe(3);
      expect(problemOf(alone, 'no_bridge')!.text).toContain(
        `${system.topic}-1 of ${system.name}: 2 records wait, the oldest for`,
      );
      expect(problemOf(alone, 'process')!.text).toContain('does not answer at its metrics address');
    } finally {
      await transaction.commit();
      await producer.disconnect();
    }
    await system.startBridge().ready;
    await untilWell();
  });

  test('tells that no worker asks for tasks', async () => {
    await system.bridge.stop();
    await system.startBridge({ HEADRACE_TASK_QUEUE: 'nobody' }).ready;
    await produce(1);
    const report = await untilReport('no worker', (found) => problemOf(found, 'no_worker') !== undefined);
    expect(problemOf(report, 'no_worker')!.text).toMatch(
      /waiting for a worker.*: no worker asks for tasks of the task queue "nobody": the workflow task of batch:\S+ waits/,
    );
  });
});
