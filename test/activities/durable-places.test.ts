import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { expect, test } from 'vitest';
import { activitySlots, createDurablePlaces } from '../../activities/durable-places.ts';
import type { BatchRef } from '../../contracts/event-key.ts';
import { paymentsPipeline } from '../live/payments.ts';

const pipelines = ['hangs', 'sound'].map((name) =>
  paymentsPipeline({ name, topic: name, sinks: ['dashboard', 'lake'] }),
);
const batchOf = (pipeline: string) => ({ pipeline }) as BatchRef;

function inActivity<T>(isLocal: boolean, work: () => Promise<T>): Promise<T> {
  const context = {
    info: { isLocal, scheduledTimestampMs: 1_000, currentAttemptScheduledTimestampMs: 8_000 },
  } as unknown as Context;
  return asyncLocalStorage.run(context, work);
}

test('what hangs for one pipeline at a sink, at its dead letters and at its model leaves slots for every other durable step', async () => {
  const { toSink, toModel } = createDurablePlaces(pipelines);
  let hanging = 0;
  const ends: (() => void)[] = [];
  const hang = () =>
    new Promise<void>((resolve) => {
      hanging++;
      ends.push(resolve);
    });
  const refusals: unknown[] = [];
  const steps: Promise<unknown>[] = [];
  for (let i = 0; i < 200; i++) {
    for (const target of ['dashboard', 'deadLetters'])
      steps.push(
        inActivity(false, () => toSink(batchOf('hangs'), target, hang)).catch((error: unknown) => refusals.push(error)),
      );
    steps.push(
      inActivity(false, () => toModel(batchOf('hangs'), hang)).catch((error: unknown) => refusals.push(error)),
    );
  }
  await expect.poll(() => refusals.length + hanging).toBe(600);
  expect(refusals).toContainEqual(expect.objectContaining({ type: 'SINK_UNAVAILABLE', nextRetryDelay: 7_000 }));
  expect(refusals).toContainEqual(expect.objectContaining({ type: 'MODEL_UNAVAILABLE' }));
  for (const pipeline of ['hangs', 'sound'])
    await inActivity(false, () => toSink(batchOf(pipeline), 'lake', () => Promise.resolve()));
  await inActivity(false, () => toModel(batchOf('sound'), () => Promise.resolve()));
  expect(hanging).toBeLessThan(activitySlots(pipelines) - 20);
  await inActivity(true, () => toSink(batchOf('hangs'), 'dashboard', () => Promise.resolve()));
  for (const end of ends) end();
  await Promise.all(steps);
  await inActivity(false, () => toSink(batchOf('hangs'), 'dashboard', () => Promise.resolve()));
});
