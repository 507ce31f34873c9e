import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  asking,
  decideMsMax,
  delivering,
  heartbeats,
  kafkaRequests,
  laneRetryMsMax,
  scoring,
  sessionTimes,
  stopping,
  submitting,
} from '../../contracts/timeouts.ts';
import { killAfterMs } from '../../stack/servers/process.ts';

/** Each is longer than the one before it. */
function expectRising(times: Record<string, number>): void {
  const values = Object.values(times);
  expect(times).toSatisfy(() => values.every((value, i) => value > (i === 0 ? 0 : values[i - 1]!)));
}

describe('times that depend on each other', () => {
  test('two heartbeats of an activity may be lost', () => {
    for (const { everyMs, timeoutMs } of Object.values(heartbeats)) expectRising({ twoLost: 3 * everyMs, timeoutMs });
  });

  test('what a durable try to score waits for and works at is done within it; nobody is given up before a further try', () => {
    const { hereMs, waitMs, workMs, durablyMs, staleMs } = scoring;
    expectRising({
      hereMs,
      waitAndWork: waitMs + workMs,
      durablyMs,
      untilNextTry: durablyMs + laneRetryMsMax,
      staleMs,
    });
  });

  test('a delivery ends before its step does', () => {
    const { quickMs, hereMs, deliverMs, durablyMs } = delivering;
    expectRising({ quickMs, hereMs, deliverMs, durablyMs });
  });

  test('a process stops in order: its work, itself, whoever kills it', () => {
    const { deliveriesMs, activitiesMs, forceMs, processMs, drainMs } = stopping;
    const compose = parse(readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8')) as {
      'x-headrace': { stop_grace_period: string };
    };
    const containerMs = Number(/^(\d+)s$/.exec(compose['x-headrace'].stop_grace_period)![1]) * 1_000;
    expectRising({ deliveriesMs, activitiesMs, forceMs, processMs, killAfterMs, containerMs });
    expectRising({ drainMs, processMs });
  });

  test('a commit has time for a second request', () => {
    const { requestMs, commitMs, stuckMs } = kafkaRequests;
    expectRising({ requestMs, justTwo: 2 * requestMs - 1, commitMs, stuckMs });
  });

  test.each([1_000, 10_000, 300_000])('a member shows itself in time in a session of %i ms', (sessionMs) => {
    const { heartbeatMs, clockStepMs, startMs, joinMs } = sessionTimes(sessionMs);
    expectRising({ heartbeatMs, clockStepMs, sessionMs, joinMs });
    expect(startMs).toBeGreaterThanOrEqual(heartbeatMs);
  });

  test('whoever asks waits longer than whom it asks', () => {
    const { processMs, temporalMs, kafkaMs, gatewayMs, askerMs } = asking;
    expectRising({ processMs, temporalMs, kafkaMs, oneAfterAnother: kafkaMs + temporalMs, gatewayMs, askerMs });
    expectRising({ publishMs: submitting.publishMs, askerMs: submitting.askerMs });
  });
});

test('a score waits for decisions a little longer than one call of the model may take', () => {
  expect(decideMsMax({ modelDeadlineMs: 2_000, tookMs: 300 })).toBeGreaterThan(2_000);
});

test('and never beyond its time-out, whatever deadline is set', () => {
  for (const modelDeadlineMs of [10, 2_000, 10_000, 60_000]) {
    for (const tookMs of [0, 300, 3_600, 29_000]) {
      const waitMs = decideMsMax({ modelDeadlineMs, tookMs });
      expect(waitMs).toBeGreaterThanOrEqual(0);
      expect(waitMs === 0 || tookMs + waitMs < scoring.hereMs).toBe(true);
    }
  }
});
