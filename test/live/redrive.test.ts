import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { registerRedrive } from '../../cli/redrive.ts';
import { registerStatus } from '../../cli/status.ts';
import type { VerifyReport } from '../../cli/verify-report.ts';
import { batchWorkflowId } from '../../contracts/event-key.ts';
import type { BatchMemo } from '../../contracts/names.ts';
import { runCommand } from '../cli/run-command.ts';
import { dashboardRows, decisionMessages, lakeRows, openBatches, readTopic } from './collect.ts';
import { differences, recompute } from './oracle.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

/** Batches that are ended from outside: what finds them, and that the printed command loses nothing and doubles nothing. */

const startMs = Date.UTC(2026, 0, 1);
let system: System;
let events = 0;

beforeAll(async () => {
  // The sweep runs when a test asks for it.
  system = await System.start({ partitions: 1, env: { HEADRACE_SWEEP_SECONDS: '86400' } });
});
afterAll(() => system?.stop());
afterEach(() => {
  vi.unstubAllEnvs();
});

async function produce(count: number): Promise<number> {
  const messages = Array.from({ length: count }, () => {
    const i = events++;
    return {
      value: JSON.stringify({ id: `e${i}`, account: `a${i % 7}`, amount: (i * 37) % 1_000, at: startMs + i * 500 }),
    };
  });
  const [sent] = await system.producer.send({ topic: system.topic, acks: -1, messages });
  return Number(sent!.baseOffset);
}

/** The batch that begins at an offset of the one partition. */
const batchAt = (position: number) =>
  until(
    `there is a batch at ${position}`,
    async () => {
      for await (const { workflowId, memo } of system.temporal.workflow.list({
        query: `WorkflowType = 'processBatch'`,
      }))
        if ((memo as unknown as BatchMemo).ranges.some((range) => range.position === position)) return workflowId;
      return undefined;
    },
    { detail: () => system.logs() },
  );

/** A command in a second terminal, with the system's settings. */
function command(register: typeof registerStatus, ...args: string[]) {
  for (const [name, value] of Object.entries(system.env)) vi.stubEnv(name, value);
  return runCommand(register, args);
}
const verify = (...args: string[]) => command(registerStatus, 'status', '--verify', ...args);
async function verifyJson(): Promise<VerifyReport> {
  const { stdout, error } = await verify('--output', 'json');
  if (error) throw error;
  return JSON.parse(stdout) as VerifyReport;
}

/** Runs the command that a report names. */
async function runPrinted(text: string): Promise<string> {
  const [, printed] = /^ *npx headrace (redrive .+)$/m.exec(text) ?? [];
  expect(printed, text).toBeDefined();
  const { stdout, stderr, exitCode } = await command(registerRedrive, ...printed!.split(' '));
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout;
}

/** Lets the schedule run once, and returns what that run found. */
async function sweep(): Promise<Record<string, unknown>> {
  const query = `WorkflowType = 'sweep' AND ExecutionStatus = 'Completed'`;
  const { count } = await system.temporal.workflow.count(query);
  await system.temporal.schedule.getHandle('sweep:test:headrace-test').trigger();
  await until('the sweep has run', async () => (await system.temporal.workflow.count(query)).count > count, {
    detail: () => system.logs(),
  });
  for await (const { workflowId, runId } of system.temporal.workflow.list({ query }))
    return system.temporal.workflow.getHandle(workflowId, runId).result();
  throw new Error('no sweep');
}

async function metric(name: string): Promise<number | undefined> {
  const { metrics } = (await system.worker.ready) as { metrics: string };
  const text = await (await fetch(`${metrics.startsWith('http') ? metrics : `http://${metrics}`}/metrics`)).text();
  const found = new RegExp(`^${name}\\{pipeline="${system.name}"\\} (\\S+)$`, 'm').exec(text);
  return found ? Number(found[1]) : undefined;
}

const untilEnded = (workflowId: string, status: string) =>
  until(
    `${workflowId} is ${status}`,
    async () => (await system.temporal.workflow.getHandle(workflowId).describe()).status.name === status,
    { detail: () => system.logs() },
  );

/** Waits until all events are delivered, then compares every sink with what the records alone say. */
async function checkEverySink(): Promise<void> {
  await until(
    'all deliveries',
    async () => (await system.countDecisions()) >= events && (await openBatches(system)) === 0,
    { detail: () => system.logs() },
  );
  const expected = recompute(system.name, system.topic, await readTopic(system, system.topic));
  expect(expected.size).toBe(events);
  expect(differences(expected, await dashboardRows(system))).toEqual([]);
  expect(differences(expected, (await decisionMessages(system)).found)).toEqual([]);
  expect(differences(expected, await lakeRows(system, expected.size))).toEqual([]);
}

/** Visibility and the ledger come a moment later. */
const untilVerified = () => until('all is well', async () => (await verifyJson()).ok, { detail: () => system.logs() });

describe('a batch that is ended from outside', () => {
  test('while it is delivered: verify and sweep name it, and the command delivers its decisions once', async () => {
    await produce(20);
    await checkEverySink();
    const blocker = await system.pool.connect();
    await blocker.query('begin; lock table decisions in access exclusive mode');
    const workflowId = await batchAt(await produce(30));
    const batch = system.temporal.workflow.getHandle(workflowId);
    await until(
      'its other deliveries are made, and one is pending',
      async () => (await batch.describe().catch(() => undefined))?.raw.pendingActivities?.length === 1,
      { detail: () => system.logs() },
    );
    await batch.terminate('by a test');
    await blocker.query('rollback');
    blocker.release();

    const { stdout } = await until('verify names it', async () => {
      const said = await verify();
      return said.stdout.includes(`${workflowId} (partition 0 offset`) && said;
    });
    expect(stdout).toContain('ended as TERMINATED');
    expect((await verify()).exitCode).toBe(1);
    expect(await sweep()).toMatchObject({
      incomplete: [{ workflowId, status: 'TERMINATED' }],
      moreIncomplete: false,
      holes: [],
      overlaps: [],
    });
    expect(await metric('headrace_runs_closed_incomplete')).toBe(1);
    // What a workflow logs comes out of its worker a moment after its result.
    await until(
      'the sweep has logged the command',
      async () => system.worker.log().includes(`re-drive it: npx headrace redrive ${workflowId}`),
      { detail: () => system.logs() },
    );

    expect(await runPrinted(stdout)).toContain('its recorded decisions are delivered again');
    await untilEnded(workflowId, 'COMPLETED');
    await checkEverySink();
    await untilVerified();
    expect(await sweep()).toMatchObject({ incomplete: [] });
    expect(await metric('headrace_runs_closed_incomplete')).toBe(0);
  });

  test('before a worker saw it: the chain stands still until it is re-driven, and goes on', async () => {
    await system.worker.kill();
    const workflowId = await batchAt(await produce(10));
    await system.temporal.workflow.getHandle(workflowId).terminate('by a test');
    await produce(10);
    system.startWorker();
    await system.worker.ready;
    await until('verify names it', async () => (await verify()).stdout.includes(`${workflowId} (partition 0 offset`));
    // Temporal still lists the batch of the test above as terminated. Which epochs are over the ledger says, and not the shell.
    vi.stubEnv('HEADRACE_EPOCH', '9');
    const { stdout } = await command(registerRedrive, 'redrive', '--all');
    expect(stdout).toMatch(/^1 batches that ended without completing$/m);
    expect(stdout).toContain(`${workflowId} is re-driven`);
    expect(stdout).toContain('it begins anew');
    vi.unstubAllEnvs();
    await checkEverySink();
    await untilVerified();
  });

  test('one that has completed is re-driven only when that is asked for, and then has no effect twice', async () => {
    const done = await batchAt(0);
    const chain = { deployment: 'test', pipeline: system.name, epoch: 0, topic: system.topic, layout: 0, chain: 0 };
    const never = batchWorkflowId(chain, 999_999);
    const { stderr, exitCode } = await command(registerRedrive, 'redrive', done.replace('batch:', ''), never);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${done} is not re-driven: it has completed; --again`);
    expect(stderr).toContain(`${never} is not re-driven: there is no such workflow`);
    const before = (await system.temporal.workflow.getHandle(done).describe()).runId;
    expect((await command(registerRedrive, 'redrive', '--again', done)).stdout).toContain(
      'its recorded decisions are delivered again',
    );
    expect((await system.temporal.workflow.getHandle(done).describe()).runId).not.toBe(before);
    await untilEnded(done, 'COMPLETED');
    await checkEverySink();
    await untilVerified();
  });

  test('is nothing that a command may guess', async () => {
    expect((await command(registerRedrive, 'redrive')).error?.message).toBe(
      'name the batches to re-drive, or give --all',
    );
    expect((await command(registerRedrive, 'redrive', 'something')).error?.message).toContain(
      '"batch:something" is no batch id',
    );
  });
});

describe('the range ledger', () => {
  test('gets from Temporal what it lacks', async () => {
    await produce(10);
    await checkEverySink();
    const ranges = () => system.pool.query('select position, "end", count from batch_ranges order by position');
    const before = (await ranges()).rows;
    expect(before.length).toBeGreaterThan(2);
    await system.pool.query('delete from batch_ranges where position = $1', [before[1].position]);
    expect(await verifyJson()).toMatchObject({
      ok: true,
      withoutBatch: [],
      ledger: [{ committed: events, unwritten: [{ ranges: [{ position: Number(before[1].position) }] }] }],
    });
    expect(await sweep()).toMatchObject({ added: 1, holes: [] });
    expect((await ranges()).rows).toEqual(before);
  });

  test('shows offsets that no batch has, and those that two have', async () => {
    const {
      rows: [partition],
    } = await system.pool.query<{ id: number; end: string; last: string }>(
      'select partition_id as id, max("end") as end, max(last_sequence) as last from batch_ranges group by partition_id',
    );
    const end = Number(partition!.end);
    const sequence = Number(partition!.last) + 1;
    await system.pool.query(
      `insert into batch_ranges (partition_id, position, "end", count, layout, chain, first_sequence, last_sequence)
       values ($1, $2, $3, 1, 0, 0, $6, $6), ($1, $4, $5, 1, 0, 0, $6 + 1, $6 + 1)`,
      [partition!.id, end - 2, end, end + 3, end + 4, sequence],
    );
    try {
      const { stdout, exitCode } = await verify();
      expect(exitCode).toBe(1);
      expect(stdout).toContain(
        `hole: no batch has offsets ${end} to ${end + 2} of ${system.topic}-0 (pipeline ${system.name})`,
      );
      expect(stdout).toContain(`overlap: two batches have offsets ${end - 2} to ${end - 1} of`);
      const place = { pipeline: system.name, topic: system.topic, partition: 0 };
      expect(await sweep()).toMatchObject({
        holes: [{ ...place, from: end, to: end + 3 }],
        overlaps: [{ ...place, from: end - 2, to: end }],
      });
      expect(await metric('headrace_chain_holes')).toBe(1);
      expect(await metric('headrace_chain_overlaps')).toBe(1);
    } finally {
      await system.pool.query('delete from batch_ranges where partition_id = $1 and (position = $2 or position = $3)', [
        partition!.id,
        end - 2,
        end + 3,
      ]);
    }
    await untilVerified();
  });

  test('tells what batches wait for that stay open', async () => {
    const blocker = await system.pool.connect();
    await blocker.query('begin; lock table decisions in access exclusive mode');
    try {
      const workflowId = await batchAt(await produce(5));
      const { stdout, exitCode } = await until(
        'verify tells it',
        async () => {
          const said = await verify('--open-minutes', '0');
          return said.stdout.includes(workflowId) && said.stdout.includes(`step deliver of ${workflowId}`) && said;
        },
        { detail: () => system.logs() },
      );
      expect(exitCode).toBe(1);
      expect(stdout).toContain('1 batch has been open for more than 0 min');
    } finally {
      await blocker.query('rollback');
      blocker.release();
    }
    await checkEverySink();
    await untilVerified();
  });
});
