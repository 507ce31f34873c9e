import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  batchRanges,
  dashboardRows,
  deadLetters,
  decisionMessages,
  lakeRows,
  openBatches,
  readTopic,
  reviewedKeys,
} from './collect.ts';
import { chainProblems, differences, recompute } from './oracle.ts';
import type { Payment } from './payments.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

const startMs = Date.UTC(2026, 0, 1);
let system: System;

beforeEach(async () => {
  system = await System.start();
});
afterEach(async () => {
  await system.stop();
});

function payment(i: number): Payment {
  return { id: `e${i}`, account: `a${(i * 7) % 211}`, amount: (i * 37) % 1_000, at: startMs + i * 500 };
}

/** Sends payments and waits until Kafka has them all. */
async function produce(from: number, to: number): Promise<void> {
  for (let next = from; next < to; next += 1_000) {
    const messages = Array.from({ length: Math.min(1_000, to - next) }, (_, k) => {
      const event = payment(next + k);
      return { key: event.account, value: JSON.stringify(event) };
    });
    await system.producer.send({ topic: system.topic, acks: -1, messages });
  }
}

async function untilDelivered(count: number): Promise<void> {
  await until(`${count} decisions`, async () => (await system.countDecisions()) >= count, {
    timeoutMs: 120_000,
    detail: () => system.logs(),
  });
  await until('all deliveries', async () => (await openBatches(system)) === 0, {
    timeoutMs: 60_000,
    detail: () => system.logs(),
  });
}

/** Compares every sink with what the records alone say, and checks the chain. */
async function checkEverything(): Promise<void> {
  const records = await readTopic(system, system.topic);
  const expected = recompute(system.name, system.topic, records);
  const dashboard = await dashboardRows(system);
  const decisions = await decisionMessages(system);
  expect(differences(expected, dashboard).slice(0, 10)).toEqual([]);
  expect(differences(expected, decisions.found).slice(0, 10)).toEqual([]);
  const lake = await lakeRows(system, expected.size);
  expect(differences(expected, lake).slice(0, 10)).toEqual([]);
  const toReview = dashboard.filter(({ outcome }) => outcome === 'review').map(({ eventKey }) => eventKey);
  expect(toReview.length).toBeGreaterThan(0);
  expect((await reviewedKeys(system)).toSorted()).toEqual(toReview.toSorted());

  const versions = new Map(dashboard.map(({ eventKey, version, outcome }) => [eventKey, `${version} ${outcome}`]));
  for (const sink of [decisions.found, lake]) {
    expect(sink.filter(({ eventKey, version, outcome }) => versions.get(eventKey) !== `${version} ${outcome}`)).toEqual(
      [],
    );
  }

  for (const [partition, ranges] of await batchRanges(system)) {
    expect(chainProblems(ranges)).toEqual([]);
    const end = Math.max(...ranges.map((range) => range.end));
    expect(end).toBe(records.get(partition)!.at(-1)!.offset + 1);
    expect(Math.min(...ranges.map((range) => range.position))).toBe(0);
    const committed = (
      await system.admin.fetchOffsets({ groupId: `headrace.test.${system.name}`, topics: [system.topic] })
    )[0]!.partitions.find((each) => each.partition === partition)!;
    expect(Number(committed.offset)).toBeLessThanOrEqual(end);
  }
}

describe('exactly once', () => {
  test('20,000 events reach every sink as recomputed from the records', async () => {
    await produce(0, 20_000);
    await untilDelivered(20_000);
    await checkEverything();
    expect((await deadLetters(system)).size).toBe(0);
  }, 240_000);

  test('bridge and worker are killed over and over, and every event has its effects once', async () => {
    const producing = produce(0, 12_000);
    for (let round = 1; round <= 3; round++) {
      await until(`round ${round}`, async () => (await system.countDecisions()) >= round * 500, {
        detail: () => system.logs(),
      });
      await Promise.all([system.bridge.kill(), system.worker.kill()]);
      system.startWorker();
      system.startBridge();
      await Promise.all([system.bridge.ready, system.worker.ready]);
    }
    await producing;
    await untilDelivered(12_000);
    await checkEverything();
  }, 300_000);
});
