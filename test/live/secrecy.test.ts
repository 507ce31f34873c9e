import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBatches } from './collect.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

const canary = 'canary-7f3a';
let system: System;
beforeAll(async () => {
  system = await System.start({
    env: { HEADRACE_CODEC_KEY: `k1:${randomBytes(32).toString('base64')}`, HEADRACE_LOG_LEVEL: 'debug' },
  });
});
afterAll(() => system?.stop());

/** Every history in the namespace, as Temporal stores it. */
async function histories(): Promise<string[]> {
  const { workflowService } = system.temporal.connection;
  const { namespace } = system.temporal.options;
  const { executions } = await workflowService.listWorkflowExecutions({ namespace, pageSize: 1_000 });
  return Promise.all(
    executions.map(async ({ execution, memo, searchAttributes }) => {
      const { history } = await workflowService.getWorkflowExecutionHistory({ namespace, execution });
      return [execution?.workflowId, ...texts(memo), ...texts(searchAttributes), ...texts(history)].join('\n');
    }),
  );
}

/** All texts of a message, and its bytes read as text. */
function texts(value: unknown): string[] {
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('latin1')];
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [key, ...texts(each)]);
}

describe('with a codec key', () => {
  test('no event content stands in histories, memos, ids, search attributes, logs or metrics', async () => {
    const good = (i: number) => ({
      id: `${canary}-${i}`,
      account: `${canary}-account-${i % 3}`,
      amount: i * 10_000,
      at: Date.UTC(2026, 0, 1) + i,
    });
    const values = [
      ...Array.from({ length: 50 }, (_, i) => JSON.stringify(good(i))),
      canary,
      `{"id":"${canary}`,
      JSON.stringify({ ...good(0), amount: canary }),
      JSON.stringify({ ...good(0), [canary]: 1, at: -1 }),
    ];
    await system.producer.send({
      topic: system.topic,
      acks: -1,
      messages: values.map((value) => ({ key: canary, value })),
    });
    await until('decisions', async () => (await system.countDecisions()) >= 50, { detail: () => system.logs() });
    await until('deliveries', async () => (await openBatches(system)) === 0, { detail: () => system.logs() });

    // Postgres quotes a row that it refuses, and a trigger says what it likes.
    const raise = `create function odd() returns trigger language plpgsql as $$ begin if new.event->>'amount' = '7' then raise 'account %', new.entities; end if; return new; end $$`;
    await system.pool.query(
      `${raise}; create trigger odd before insert on decisions for each row execute function odd(); alter table decisions add constraint odd check (event->>'amount' <> '9')`,
    );
    await system.producer.send({
      topic: system.topic,
      acks: -1,
      messages: [7, 1, 9, 2].map((amount) => ({
        key: canary,
        value: JSON.stringify({ ...good(60 + amount), amount }),
      })),
    });
    await until('decisions that the table takes', async () => (await system.countDecisions()) >= 52, {
      detail: () => system.logs(),
    });
    await until(
      'letters of the others',
      () => /SQLSTATE P0001/.test(system.logs()) && /SQLSTATE 23514/.test(system.logs()),
      { detail: () => system.logs() },
    );
    await until('all deliveries', async () => (await openBatches(system)) === 0, { detail: () => system.logs() });

    const stored = await histories();
    expect(stored.some((text) => text.includes('binary/aes-256-gcm'))).toBe(true);
    expect(stored.filter((text) => text.includes(canary))).toEqual([]);
    expect(system.logs()).not.toContain(canary);
    for (const child of [system.bridge, system.worker]) {
      const address = (await child.ready)['metrics'] as string;
      expect(await (await fetch(`http://${address}/metrics`)).text()).not.toContain(canary);
    }
  }, 120_000);
});
