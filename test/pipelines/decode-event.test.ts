import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEvents } from '../../pipelines/decode-event.ts';
import type { BatchRecord } from '../../contracts/records-frame.ts';
import { paymentsPipeline } from '../live/payments.ts';

const pipeline = paymentsPipeline({ name: 'p', topic: 't' });
const recordTimeMs = 1_700_000_000_500;
const time = { clockMs: recordTimeMs };
const good = { id: 'e1', account: 'a1', amount: 5, at: 1_700_000_000_000 };

function recordOf(value: Uint8Array | string | null, offset = 0): BatchRecord {
  return {
    partition: 3,
    offset,
    timestampMs: recordTimeMs,
    key: null,
    value: typeof value === 'string' ? Buffer.from(value) : value,
  };
}

describe('decodeEvents', () => {
  test('gives an event its id, time and entity keys, and drops unknown fields', () => {
    const { events, rejections } = decodeEvents(pipeline, [recordOf(JSON.stringify({ ...good, extra: 1 }), 7)], time);
    expect(rejections).toEqual([]);
    expect(events).toEqual([
      {
        recordIndex: 0,
        partition: 3,
        offset: 7,
        recordTimeMs,
        event: good,
        clockMs: recordTimeMs,
        eventId: 'e1',
        eventTimeMs: good.at,
        entityKeys: ['a1'],
      },
    ]);
  });

  test.each<[string, Uint8Array | string | null, string]>([
    ['a tombstone', null, 'EMPTY_VALUE'],
    ['an empty value', '', 'EMPTY_VALUE'],
    ['cut JSON', '{"id":"e1"', 'NOT_JSON'],
    ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'NOT_JSON'],
    ['a wrong type', JSON.stringify({ ...good, amount: '5' }), 'SCHEMA_MISMATCH'],
    ['a missing field', JSON.stringify({ id: 'e1' }), 'SCHEMA_MISMATCH'],
    ['an array', '[]', 'SCHEMA_MISMATCH'],
    ['null', 'null', 'SCHEMA_MISMATCH'],
    ['a number that overflows', JSON.stringify(good).replace('5', '1e999'), 'SCHEMA_MISMATCH'],
    ['__proto__', '{"__proto__":{"admin":true},"id":"e1","account":"a","amount":1,"at":1}', 'FORBIDDEN_KEY'],
    [
      '__proto__ spelled with escapes',
      '{"\\u005f_proto__":{"admin":true},"id":"e1","account":"a","amount":1,"at":1}',
      'FORBIDDEN_KEY',
    ],
    ['constructor, nested', JSON.stringify({ ...good, x: { constructor: 1 } }), 'FORBIDDEN_KEY'],
    [
      'deep nesting',
      `{"id":"e1","account":"a","amount":1,"at":1,"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      'TOO_DEEP',
    ],
    ['an empty event id', JSON.stringify({ ...good, id: '' }), 'BAD_EVENT'],
    ['an empty entity', JSON.stringify({ ...good, account: '' }), 'BAD_EVENT'],
    ['an integer that would be rounded', JSON.stringify(good).replace('5', '9007199254740993'), 'INEXACT_NUMBER'],
    ['a time before 1970', JSON.stringify({ ...good, at: -1 }), 'BAD_EVENT'],
    ['a time in the future', JSON.stringify({ ...good, at: recordTimeMs + 86_400_001 }), 'EVENT_TOO_FAR_AHEAD'],
    ['a time after the year 9999', JSON.stringify({ ...good, at: 1e15 }), 'BAD_EVENT'],
  ])('refuses %s, and its neighbours pass', (_, value, code) => {
    const { events, rejections } = decodeEvents(
      pipeline,
      [recordOf(JSON.stringify(good)), recordOf(value), recordOf(JSON.stringify(good))],
      time,
    );
    expect(rejections).toMatchObject([{ index: 1, step: 'decode', code }]);
    expect(events.map((event) => event.recordIndex)).toEqual([0, 2]);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  const dayMs = 86_400_000;
  test.each<[string, Partial<BatchRecord>, number, boolean]>([
    ['within the allowance', {}, recordTimeMs + dayMs, true],
    ['beyond the clock', {}, recordTimeMs + dayMs + 1, false],
    [
      "beyond the clock, and the producer's clock is as wrong",
      { timestampMs: recordTimeMs + 50 * dayMs },
      recordTimeMs + 50 * dayMs,
      false,
    ],
    ["right, and the producer's clock stands in 1970", { timestampMs: 5 }, recordTimeMs, true],
    ['right, without a record time', { timestampMs: -1 }, recordTimeMs, true],
    ['right, with a record time in nanoseconds', { timestampMs: recordTimeMs * 1e6 }, recordTimeMs, true],
    [
      "beyond the broker's time",
      { timestampMs: recordTimeMs - 9 * dayMs, timeIsBrokers: true },
      recordTimeMs - 7 * dayMs,
      false,
    ],
    [
      "within the broker's time",
      { timestampMs: recordTimeMs + 9 * dayMs, timeIsBrokers: true },
      recordTimeMs + 9 * dayMs,
      true,
    ],
    ["right, and the broker's time cannot be used", { timestampMs: -1, timeIsBrokers: true }, recordTimeMs, true],
  ])('an event in the future is measured by the clock, or by the broker: %s', (_, parts, at, isTaken) => {
    const { events, rejections } = decodeEvents(
      pipeline,
      [{ ...recordOf(JSON.stringify({ ...good, at })), ...parts }],
      time,
    );
    expect([events.length, rejections.map(({ code }) => code)]).toEqual(
      isTaken ? [1, []] : [0, ['EVENT_TOO_FAR_AHEAD']],
    );
  });

  test('a watermark goes no further than the clock; than the time of the record, where it was decided at an earlier time', () => {
    const clockOf = (parts: Partial<BatchRecord>, again?: true) =>
      decodeEvents(pipeline, [{ ...recordOf(JSON.stringify(good)), ...parts }], { clockMs: recordTimeMs + 77, again })
        .events[0]!.clockMs;
    expect([clockOf({}), clockOf({ timeIsBrokers: true })]).toEqual([recordTimeMs + 77, recordTimeMs]);
    expect([
      clockOf({}, true),
      clockOf({ timestampMs: -1 }, true),
      clockOf({ timestampMs: recordTimeMs + 99 }, true),
    ]).toEqual([recordTimeMs, recordTimeMs + 77, recordTimeMs + 77]);
  });

  test('takes a value behind a byte order mark', () => {
    expect(decodeEvents(pipeline, [recordOf(`\uFEFF${JSON.stringify(good)}`)], time).events).toMatchObject([
      { event: good },
    ]);
  });

  test.each<[string, object, string]>([
    [
      'eventId',
      { eventId: () => 5n },
      'eventId must be a text of 1 to 256 characters, but is a bigint: write String(...)',
    ],
    [
      'eventTimeMs',
      { eventTimeMs: () => 5n },
      'eventTimeMs must be a number of milliseconds, but is a bigint: write Number(...)',
    ],
    ['eventTimeMs', { eventTimeMs: () => new Date(5) }, 'eventTimeMs must be a number of milliseconds, but is a Date'],
    [
      'an entity',
      { entities: { account: () => 7 } },
      'entities.account must be a text of 1 to 256 characters, but is a number: write String(...)',
    ],
    [
      'an entity',
      { entities: { account: () => undefined } },
      'entities.account must be a text of 1 to 256 characters, but is undefined',
    ],
  ])('says what to write when %s is of another type', (_, parts, reason) => {
    expect(
      decodeEvents({ ...pipeline, ...parts } as never, [recordOf(JSON.stringify(good))], time).rejections,
    ).toMatchObject([{ code: 'BAD_EVENT', reason }]);
  });

  test.each([
    ['none', -1],
    ['microseconds', recordTimeMs * 1_000],
    ['nanoseconds', recordTimeMs * 1_000_000],
    ['no number', Number.NaN],
  ])('a record whose own time is %s is decided, and has no time', (_, timestampMs) => {
    const { events, rejections } = decodeEvents(pipeline, [{ ...recordOf(JSON.stringify(good)), timestampMs }], time);
    expect(rejections).toEqual([]);
    expect(events).toMatchObject([{ recordTimeMs: undefined, eventTimeMs: good.at }]);
  });

  test('gives the headers on as they are', () => {
    const headers = Buffer.from([2, 97, 1]);
    expect(decodeEvents(pipeline, [{ ...recordOf(JSON.stringify(good)), headers }], time).events[0]!.headers).toBe(
      headers,
    );
  });

  test('refuses a stub, naming its size', () => {
    const { rejections } = decodeEvents(pipeline, [{ ...recordOf('{"id"'), stub: { recordBytes: 3_000_000 } }], time);
    expect(rejections).toMatchObject([
      { code: 'RECORD_TOO_LARGE', reason: expect.stringContaining('3000000') as string },
    ]);
  });

  test('a reason never quotes the value', () => {
    const canary = 'canary-4929';
    for (const value of [
      canary,
      `{"id":"${canary}`,
      JSON.stringify({ ...good, amount: canary }),
      JSON.stringify({ ...good, at: canary }),
    ]) {
      expect(JSON.stringify(decodeEvents(pipeline, [recordOf(value)], time).rejections)).not.toContain(canary);
    }
  });

  test('what the pipeline itself throws becomes a rejection of that record', () => {
    const broken = {
      ...pipeline,
      eventId: () => {
        throw new Error('no id');
      },
    };
    expect(decodeEvents(broken, [recordOf(JSON.stringify(good))], time).rejections).toMatchObject([
      { code: 'BAD_EVENT', reason: 'eventId failed (Error)' },
    ]);
  });

  test('property: any bytes end as an event or a rejection, in order', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.uint8Array(),
            fc.json().map((text) => Buffer.from(text)),
            fc.constant(Buffer.from(JSON.stringify(good))),
          ),
        ),
        (values) => {
          const { events, rejections } = decodeEvents(
            pipeline,
            values.map((value, offset) => recordOf(value, offset)),
            time,
          );
          const indexes = [
            ...events.map((event) => event.recordIndex),
            ...rejections.map((rejection) => rejection.index),
          ];
          expect(indexes.toSorted((a, b) => a - b)).toEqual(values.map((_, i) => i));
        },
      ),
    );
  });
});
