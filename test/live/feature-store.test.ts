import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dashboardRows, openBatches, readTopic } from './collect.ts';
import { differences, recompute } from './oracle.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

let system: System;
beforeEach(async () => {
  system = await System.start();
});
afterEach(() => system.stop());

async function decideAll(from: number, to: number): Promise<void> {
  const messages = Array.from({ length: to - from }, (_, k) => {
    const i = from + k;
    return {
      key: `a${i % 23}`,
      value: JSON.stringify({
        id: `e${i}`,
        account: `a${i % 23}`,
        amount: i % 100,
        at: Date.UTC(2026, 0, 1) + i * 1_000,
      }),
    };
  });
  await system.producer.send({ topic: system.topic, acks: -1, messages });
  await until(`${to} decisions`, async () => (await system.countDecisions()) >= to, {
    timeoutMs: 90_000,
    detail: () => system.logs(),
  });
  await until('all deliveries', async () => (await openBatches(system)) === 0, { detail: () => system.logs() });
}

describe('the feature store', () => {
  test('is lost: it is folded again from the topic, loudly, and no window is wrong', async () => {
    await decideAll(0, 3_000);
    await system.worker.stop();
    rmSync(join(system.dataDir, 'features'), { recursive: true });
    system.startWorker();
    await system.worker.ready;
    await decideAll(3_000, 4_000);

    const expected = recompute(system.name, system.topic, await readTopic(system, system.topic));
    expect(differences(expected, await dashboardRows(system))).toEqual([]);
    expect(system.worker.log()).toContain('folding records from the topic');
  }, 180_000);
});
