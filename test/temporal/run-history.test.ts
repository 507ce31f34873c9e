import { defaultPayloadConverter } from '@temporalio/common';
import { expect, test } from 'vitest';
import { encodeFrame } from '../../contracts/frame.ts';
import { encodeScored } from '../../contracts/scored-frame.ts';
import { recordedRun } from '../../temporal/run-history.ts';

const frame = (kind: string, id: number) => encodeFrame({ header: { kind, id }, columns: {} });
const payloads = (...values: unknown[]) => ({
  payloads: values.map((value) => defaultPayloadConverter.toPayload(value)),
});
const started = { workflowExecutionStartedEventAttributes: { input: payloads({ position: 0 }, frame('records', 1)) } };
const marker = (bytes: Uint8Array) => ({
  markerRecordedEventAttributes: { details: { data: payloads('score'), result: payloads(bytes) } },
});
const completed = (bytes: Uint8Array) => ({ activityTaskCompletedEventAttributes: { result: payloads(bytes) } });

test('features and decisions are found in one step, in two, and where the second went on as a regular activity', async () => {
  const [records, features, decisions] = [frame('records', 1), frame('features', 2), frame('decisions', 3)];
  const read = (...events: object[]) => recordedRun([started, ...events] as never, []);
  const whole = { records, features, decisions };
  expect(await read(marker(encodeScored({ features, decisions })))).toEqual(whole);
  expect(await read(completed(encodeScored({ features, decisions })))).toEqual(whole);
  expect(await read(marker(features), marker(decisions))).toEqual(whole);
  expect(await read(marker(features), completed(decisions))).toEqual(whole);
  expect(await read(marker(encodeScored({ features })))).toEqual({ records, features });
  // A run that was made again from its first task: what it recorded last counts.
  expect(
    await read(
      marker(encodeScored({ features: frame('features', 4), decisions: frame('decisions', 5) })),
      marker(features),
      completed(decisions),
    ),
  ).toEqual(whole);
  await expect(recordedRun([marker(features)] as never, [])).rejects.toThrow(/no records frame/);
});
