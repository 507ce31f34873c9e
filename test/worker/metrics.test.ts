import type { Context } from '@temporalio/activity';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import type { Halt } from '../../scoring/ports.ts';
import { toApplicationFailure } from '../../temporal/failure.ts';
import { HeadraceError, type FailureCode } from '../../contracts/failures.ts';
import type { Logger } from '../../lib/log.ts';
import { createHaltReports } from '../../worker/halt-reports.ts';
import { createLateShare } from '../../worker/late-share.ts';
import { createActivityReports } from '../../worker/metrics.ts';
import { watchSystemicFailures } from '../../worker/systemic-failures.ts';
import { oneRange } from '../contracts/one-range.ts';

function rig() {
  const lines: [level: string, fields: Record<string, unknown>, text: string][] = [];
  const say = (level: string) => (fields: Record<string, unknown>, text: string) =>
    void lines.push([level, fields, text]);
  return { registry: new Registry(), lines, log: { warn: say('warn'), error: say('error') } as unknown as Logger };
}

const halt: Halt = {
  pipeline: 'p',
  topic: 't',
  partition: 1,
  position: 20,
  offset: 27,
  code: 'NOT_JSON',
  message: 'REFUSED_IN_A_ROW: why',
};

describe('halts', () => {
  test('are shown while they are told, counted once, and logged with offset and code', async () => {
    const { registry, log, lines } = rig();
    let nowMs = 0;
    const halted = createHaltReports(registry, log, () => nowMs);
    const shown = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('headrace_'));
    for (nowMs = 0; nowMs < 90_000; nowMs += 5_000) halted(halt);
    expect(await shown()).toEqual([
      'headrace_halts_total{pipeline="p",code="NOT_JSON"} 1',
      'headrace_halted{pipeline="p",partition="1",code="NOT_JSON"} 1',
    ]);
    expect(lines).toEqual([
      [
        'error',
        expect.objectContaining({ pipeline: 'p', partition: 1, offset: 27, code: 'NOT_JSON' }) as unknown,
        'REFUSED_IN_A_ROW: why',
      ],
    ]);
    halted({ ...halt, position: 40 });
    expect(lines).toHaveLength(2);
    nowMs += 61_000;
    expect(await shown()).toEqual(['headrace_halts_total{pipeline="p",code="NOT_JSON"} 2']);
  });
});

describe('what is wrong for every record', () => {
  test('is shown by pipeline, step and code while it is seen; other failures are not', async () => {
    const { registry } = rig();
    let nowMs = 0;
    const watch = watchSystemicFailures(registry, () => nowMs);
    const fail = async (activityType: string, error: Error, ...more: unknown[]) => {
      const { inbound } = watch({ info: { activityType } } as unknown as Context);
      await expect(
        inbound!.execute!({ args: [{ pipeline: 'p' }, ...more], headers: {} }, () => Promise.reject(error)),
      ).rejects.toBe(error);
    };
    const failure = (code: FailureCode) => toApplicationFailure(new HeadraceError(code, 'why'));
    const shown = async () =>
      (await registry.metrics()).split('\n').filter((line) => line.startsWith('headrace_systemic'));
    await fail('deliver', failure('SINK_WRONG'), 'dashboard');
    for (const other of [failure('SINK_UNAVAILABLE'), new Error('no code'), toApplicationFailure(new TypeError())])
      await fail('deliver', other, 'lake');
    nowMs = 200_000;
    for (let i = 0; i < 2; i++) await fail('infer', failure('PIPELINE_WRONG'));
    expect(await shown()).toEqual([
      'headrace_systemic_failure{pipeline="p",step="dashboard",code="SINK_WRONG"} 1',
      'headrace_systemic_failure{pipeline="p",step="infer",code="PIPELINE_WRONG"} 1',
    ]);
    nowMs = 400_000;
    expect(await shown()).toEqual(['headrace_systemic_failure{pipeline="p",step="infer",code="PIPELINE_WRONG"} 1']);
  });
});

describe('late events', () => {
  test('are told when many of a minute are late, and not again for a while', () => {
    const { log, lines } = rig();
    let nowMs = 0;
    const lateShare = createLateShare(log, () => nowMs);
    for (let i = 0; i < 100; i++) lateShare('calm', 100, 1);
    for (let i = 0; i < 19; i++) lateShare('few', 1, 1);
    expect(lines).toEqual([]);
    for (let i = 0; i < 40; i++) lateShare('much', 10, 2);
    expect(lines).toMatchObject([
      [
        'error',
        { pipeline: 'much', events: 100, late: 20 },
        expect.stringContaining('too late for their windows') as string,
      ],
    ]);
    nowMs = 11 * 60_000;
    lateShare('much', 10, 9);
    expect(lines, 'another minute has few').toHaveLength(1);
    lateShare('much', 10, 11);
    expect(lines).toHaveLength(2);
  });
});

describe('refusals', () => {
  test('are told with an example offset, an event of the far future loudest', async () => {
    const { registry, log, lines } = rig();
    const reports = createActivityReports(registry, log);
    const batch = oneRange({ deployment: 'd', pipeline: 'p', epoch: 0, topic: 't' }, { partition: 3, count: 9 });
    const rejection = { index: 0, step: 'decode' as const, reason: 'why', partition: 3, offset: 5 };
    reports.rejected(batch, [
      { ...rejection, code: 'NOT_JSON' },
      { ...rejection, code: 'NOT_JSON', offset: 6 },
      { ...rejection, code: 'EVENT_TOO_FAR_AHEAD', partition: 4, offset: 7 },
    ]);
    expect(lines).toMatchObject([
      ['warn', { topic: 't', partition: 3, offset: 5, code: 'NOT_JSON' }, 'a dead letter: why'],
      ['error', { partition: 4, offset: 7, code: 'EVENT_TOO_FAR_AHEAD' }, 'a dead letter: why'],
    ]);
    reports.late('p', { events: 10, late: 1, ahead: 2 });
    const metrics = await registry.metrics();
    for (const line of [
      'headrace_rejections_total{pipeline="p",step="decode",code="NOT_JSON"} 2',
      'headrace_late_events_total{pipeline="p"} 1',
      'headrace_ahead_events_total{pipeline="p"} 2',
    ])
      expect(metrics).toContain(line);
  });
});
