import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { registerResume } from '../../cli/resume.ts';
import { readAgainHeader } from '../../contracts/resume.ts';
import { runCommand } from '../cli/run-command.ts';
import { dashboardRows, deadLetters, openBatches, readTopic } from './collect.ts';
import { differences, recompute } from './oracle.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

/** Records of another format than the pipeline's: it halts before it drains them into dead letters, and goes on when somebody has decided what is right. */

const startMs = Date.UTC(2026, 0, 1);
const max = 50;
let system: System;
let events = 0;

const root = join(import.meta.dirname, '..', '..');
/** The pipeline; `mended` reads the events out of Debezium's envelopes, too. */
const source = ({ name, topic, partitions }: { name: string; topic: string; partitions: number }, mended = false) => `
import { paymentsPipeline } from ${JSON.stringify(join(root, 'test/live/payments.ts'))};
import { z } from 'zod';
const pipeline = paymentsPipeline(${JSON.stringify({ name, topic, partitions, chains: 2, sinks: ['dashboard'] })});
export default ${mended ? '{ ...pipeline, event: z.preprocess((value) => (value && value.after ? value.after : value), pipeline.event) }' : 'pipeline'};
`;

beforeAll(async () => {
  system = await System.start({
    partitions: 2,
    pipelineSource: source,
    env: { HEADRACE_REFUSED_IN_A_ROW_MAX: String(max), HEADRACE_SWEEP_SECONDS: '86400' },
  });
});
afterAll(() => system?.stop());
afterEach(() => {
  vi.unstubAllEnvs();
});

const detail = () => system.logs();
/** Accounts of one partition only, as the oracle counts them. */
const payment = (partition = 0) => {
  const i = events++;
  return { id: `e${i}`, account: `canary-${partition}-${i % 7}`, amount: i % 100, at: startMs + i * 500 };
};
async function send(partition: number, values: (string | Buffer)[]): Promise<number> {
  const [sent] = await system.producer.send({
    topic: system.topic,
    acks: -1,
    messages: values.map((value) => ({ partition, key: 'k', value, headers: { traced: 'yes' } })),
  });
  return Number(sent!.baseOffset);
}
const good = (count: number, partition?: number) =>
  Array.from({ length: count }, () => JSON.stringify(payment(partition)));
const debezium = (count: number) =>
  Array.from({ length: count }, () =>
    JSON.stringify({ before: null, after: payment(), source: { db: 'shop' }, op: 'c', ts_ms: 1 }),
  );
const framed = (count: number) =>
  good(count).map((value) => Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from(value)]));

function resume(...args: string[]) {
  for (const [name, value] of Object.entries(system.env)) vi.stubEnv(name, value);
  return runCommand(registerResume, ['resume', '--pipeline', system.name, ...args]);
}
async function resumed(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode, error } = await resume(...args);
  expect({ error: error?.message, stderr, exitCode }, stdout).toEqual({ error: undefined, stderr: '', exitCode: 0 });
  return stdout;
}

/** What the pending step of the batch that waits says. */
const halt = () =>
  until(
    'a batch waits',
    async () => {
      for await (const { workflowId } of system.temporal.workflow.list({
        query: `WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'`,
      })) {
        const { raw } = await system.temporal.workflow.getHandle(workflowId).describe();
        const failure = raw.pendingActivities?.find(
          ({ lastFailure }) => lastFailure?.applicationFailureInfo?.type === 'REFUSED_IN_A_ROW',
        )?.lastFailure;
        if (failure) return failure.message;
      }
      return undefined;
    },
    { detail },
  );
const decided = (count: number) =>
  until(
    `${count} decisions`,
    async () => (await system.countDecisions()) >= count && (await openBatches(system)) === 0,
    { detail },
  );
const lettered = (count: number) =>
  until(
    `${count} dead letters`,
    async () => {
      const letters = await deadLetters(system);
      return letters.size >= count && letters;
    },
    { detail },
  );
async function metric(pattern: RegExp): Promise<string | undefined> {
  const { metrics } = (await system.worker.ready) as { metrics: string };
  return pattern.exec(
    await (await fetch(`${metrics.startsWith('http') ? metrics : `http://${metrics}`}/metrics`)).text(),
  )?.[1];
}

describe('a topic of another format', () => {
  test('halts its pipeline, says what it is, makes fewer dead letters than so many, and holds up no chain that accepts events', async () => {
    await send(0, good(20));
    await send(1, good(20, 1));
    await decided(40);
    for (let i = 0; i < 8; i++) await send(0, framed(100));
    const message = await halt();
    expect(message).toMatch(
      /^REFUSED_IN_A_ROW: 50 records in a row are NOT_JSON \(the value is no JSON text\); at offset \d+ of \S+-0 is .* in Confluent's wire format \(magic byte 0, schema id 7\)/,
    );
    expect(
      await metric(
        new RegExp(`^headrace_halted\\{pipeline="${system.name}",partition="0",code="NOT_JSON"\\} (\\d+)$`, 'm'),
      ),
    ).toBe('1');
    await send(1, good(10, 1));
    await until('the other chain goes on', async () => (await system.countDecisions()) >= 50, { detail });
    expect((await deadLetters(system)).size).toBeLessThan(max);
    expect(system.logs()).toContain("Confluent's wire format");
    expect(system.logs()).not.toContain('canary');
  }, 120_000);

  test('goes on into dead letters when somebody says so, and halts again only after it has accepted an event', async () => {
    const said = await resumed();
    expect(said).toMatch(/ waits \(partition 0 from offset \d+\): /);
    expect(said).toContain('goes into dead letters from now on');
    await lettered(800);
    await send(0, framed(100));
    expect((await lettered(900)).size).toBe(900);
    await send(0, good(1));
    await decided(51);
    await send(0, framed(100));
    await halt();
    expect((await deadLetters(system)).size).toBeLessThan(900 + max);
    await resumed('--partition', '0');
    await lettered(1_000);
    await send(0, good(1));
    await decided(52);
  }, 120_000);

  test('whose schema was mended goes on by itself, and what had been refused before is read again, once', async () => {
    const before = await system.countDecisions();
    const first = await send(0, debezium(30));
    await lettered(1_030);
    await send(0, debezium(300));
    expect(await halt()).toContain('a change event of Debezium');
    const { error: unmended } = await resume('--from', String(first), '--partition', '0');
    expect(unmended?.message).toContain('the pipeline refuses all of it as before');

    writeFileSync(
      join(system.dataDir, 'pipelines', 'payments', 'index.ts'),
      source({ name: system.name, topic: system.topic, partitions: 2 }, true),
    );
    await system.worker.stop();
    system.startWorker();
    await decided(before + 300);
    expect((await deadLetters(system)).size).toBe(1_030);
    expect(await resumed('--from', String(first))).toContain('partition 0: 30 refused records are read again');
    await decided(before + 330);
    expect(await resumed('--from', String(first))).toContain('is left to be read again');

    const records = await readTopic(system, system.topic);
    const copies = records.get(0)!.filter(({ texts }) => texts[readAgainHeader]);
    expect(copies.map(({ texts, key }) => [texts[readAgainHeader], texts['traced'], String(key)])).toEqual(
      Array.from({ length: 30 }, (_, i) => [`test:${system.name}:0:${system.topic}:0:${first + i}`, 'yes', 'k']),
    );
    // Every event has one decision, as if all records had always been plain ones.
    const letters = await deadLetters(system);
    for (const [partition, list] of records) {
      records.set(
        partition,
        list
          .filter(({ offset }) => !letters.has(`test:${system.name}:0:${system.topic}:${partition}:${offset}`))
          .map((record) => ({ ...record, value: unwrapped(record.value!) })),
      );
    }
    expect(differences(recompute(system.name, system.topic, records), await dashboardRows(system))).toEqual([]);
  }, 120_000);

  test('is nothing that a command may guess', async () => {
    expect((await resume()).error?.message).toContain('so there is nothing to resume');
    expect((await resume('--from', '999999')).error?.message).toContain(
      'offset 999999 is not decided yet (partition 0 is decided up to offset',
    );
    expect((await resume('--from', '0', '--partition', '7')).error?.message).toContain('the topic has no partition 7');
  });
});

describe('one event of tomorrow and after', () => {
  test('is refused when it is beyond the clock, and moves no watermark when it is not', async () => {
    const before = await system.countDecisions();
    const lateBefore = await system.pool.query('select 1 from decisions where late');
    const offset = await send(0, [JSON.stringify({ ...payment(), at: Date.UTC(9998, 0, 1) }), ...good(40)]);
    await send(0, [JSON.stringify({ ...payment(), at: Date.now() - 5_000 })]);
    await send(0, good(40));
    await decided(before + 81);
    expect((await deadLetters(system)).get(`test:${system.name}:0:${system.topic}:0:${offset}`)).toEqual([
      'EVENT_TOO_FAR_AHEAD',
    ]);
    expect((await system.pool.query('select 1 from decisions where late')).rowCount).toBe(lateBefore.rowCount);
    expect(await metric(new RegExp(`^headrace_ahead_events_total\\{pipeline="${system.name}"\\} (\\d+)$`, 'm'))).toBe(
      '1',
    );
  });
});

function unwrapped(value: Uint8Array): Buffer {
  const parsed = JSON.parse(Buffer.from(value).toString()) as { after?: object };
  return Buffer.from(JSON.stringify(parsed.after ?? parsed));
}
