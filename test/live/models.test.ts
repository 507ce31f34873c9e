import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInferenceClient } from '@headrace/inference-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort, startModelServer, type ModelServer } from '../../stack/servers/index.ts';
import { dashboardRows, deadLetters, decisionMessages, openBatches, readTopic } from './collect.ts';
import { differences, recompute } from './oracle.ts';
import { linearModels, System } from './system.ts';
import { until } from './wait.ts';

let folder: string;
let repository: string;
let models: ModelServer;
let system: System;
/** Gives back what a test has taken of the system. */
let release = () => {};

async function startModels(port: number): Promise<ModelServer> {
  return startModelServer({ repository, dataDir: join(folder, 'models'), port });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-models-'));
  repository = join(folder, 'repository');
  cpSync(join(linearModels, 'linear'), join(repository, 'linear'), {
    recursive: true,
    filter: (path) => !path.endsWith('/2'),
  });
  models = await startModels(await freePort());
  system = await System.start({ tritonUrl: models.address });
});
afterEach(async () => {
  release();
  await system?.stop();
  await models?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function produce(from: number, to: number): Promise<void> {
  const messages = Array.from({ length: to - from }, (_, k) => {
    const i = from + k;
    return {
      key: `a${i % 17}`,
      value: JSON.stringify({ id: `e${i}`, account: `a${i % 17}`, amount: i % 100, at: Date.UTC(2026, 0, 1) + i }),
    };
  });
  await system.producer.send({ topic: system.topic, acks: -1, messages });
}

async function untilAllDelivered(count: number): Promise<void> {
  await until(`${count} decisions`, async () => (await system.countDecisions()) >= count, {
    timeoutMs: 90_000,
    detail: () => system.logs(),
  });
  await until('all deliveries', async () => (await openBatches(system)) === 0, {
    timeoutMs: 60_000,
    detail: () => system.logs(),
  });
}

const triesLeast = 5;

/** How often a step of an open batch was tried, at the most. */
async function triesOfOpenBatches(): Promise<number> {
  let tries = 0;
  for await (const { workflowId } of system.temporal.workflow.list({
    query: "WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'",
  })) {
    const { raw } = await system.temporal.workflow.getHandle(workflowId).describe();
    for (const { attempt } of raw.pendingActivities ?? []) tries = Math.max(tries, attempt ?? 0);
  }
  return tries;
}

describe('models', () => {
  test('the worker dies between inference and delivery while the model changes: all sinks agree on the version', async () => {
    await produce(0, 200);
    await untilAllDelivered(200);

    // The dashboard hangs, so the next batches are scored and delivered elsewhere, and not there.
    const blocker = await system.pool.connect();
    release = () => {
      release = () => {};
      blocker.release(true);
    };
    await blocker.query('begin; lock table decisions in access exclusive mode');
    await produce(200, 400);
    await until(
      'scored by version 1',
      async () => {
        // Distinct ones: the topic may hold repeats.
        return (await decisionMessages(system)).found.length >= 400;
      },
      { detail: () => system.logs() },
    );
    await system.worker.kill();

    cpSync(join(linearModels, 'linear', '2'), join(repository, 'linear', '2'), { recursive: true });
    const client = createInferenceClient({ address: models.address });
    await client.loadModel('linear');
    await client.close();
    system.startWorker();
    await system.worker.ready;
    await blocker.query('commit');
    await produce(400, 600);
    await untilAllDelivered(600);

    const expected = recompute(system.name, system.topic, await readTopic(system, system.topic));
    const dashboard = await dashboardRows(system);
    const decisions = await decisionMessages(system);
    expect(differences(expected, dashboard)).toEqual([]);
    expect(differences(expected, decisions.found)).toEqual([]);
    const versionOf = new Map(decisions.found.map(({ eventKey, version }) => [eventKey, version]));
    expect(dashboard.filter(({ eventKey, version }) => versionOf.get(eventKey) !== version)).toEqual([]);
    const versions = dashboard.map(({ eventId, version }) => ({ number: Number(eventId.slice(1)), version }));
    expect(versions.filter(({ number, version }) => version !== (number < 400 ? '1' : '2'))).toEqual([]);
  }, 240_000);

  test('a model that takes one row at a time, beside one for another server: every event is decided', async () => {
    const { address } = models;
    await models.stop();
    rmSync(join(repository, 'linear'), { recursive: true });
    cpSync(join(import.meta.dirname, '../worker/models/live/linear'), join(repository, 'linear'), { recursive: true });
    mkdirSync(join(repository, 'foreign', '1'), { recursive: true });
    writeFileSync(join(repository, 'foreign', 'config.pbtxt'), 'backend: "python"\n');
    // What was known of the model is a minute old at the most, and is asked for again once it is contradicted.
    models = await startModels(Number(address.split(':')[1]));
    expect(models.notLoaded).toEqual([expect.stringContaining('got "python"')]);
    await produce(0, 600);
    await untilAllDelivered(600);
    const expected = recompute(system.name, system.topic, await readTopic(system, system.topic));
    expect(differences(expected, await dashboardRows(system))).toEqual([]);
    expect((await deadLetters(system)).size).toBe(0);
  }, 240_000);

  test('the model server is away: batches wait and try again, nothing is lost or dead-lettered', async () => {
    await produce(0, 200);
    await untilAllDelivered(200);
    const { address } = models;
    models.kill('SIGKILL');
    await models.exited;
    await produce(200, 1_200);
    await until(`a step was tried ${triesLeast} times`, async () => (await triesOfOpenBatches()) >= triesLeast, {
      detail: () => system.logs(),
    });
    expect(await system.countDecisions()).toBe(200);
    let waiting = 0;
    for await (const { workflowId } of system.temporal.workflow.list({
      query: `WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'`,
    })) {
      // What the Web UI shows as the run's call stack.
      expect(await system.temporal.workflow.getHandle(workflowId).query('__stack_trace')).toContain('process-batch.ts');
      waiting++;
    }
    expect(waiting).toBeGreaterThan(0);
    models = await startModels(Number(address.split(':')[1]));
    await untilAllDelivered(1_200);

    const expected = recompute(system.name, system.topic, await readTopic(system, system.topic));
    expect(differences(expected, await dashboardRows(system))).toEqual([]);
    expect((await deadLetters(system)).size).toBe(0);
  }, 240_000);
});
