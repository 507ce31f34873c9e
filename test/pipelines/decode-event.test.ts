import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEvents } from '../../pipelines/decode-event.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { paymentsPipeline } from '../live/payments.ts';

const pipeline = paymentsPipeline({ name: 'p', topic: 't' });
const recordTimeMs = 1_700_000_000_500;
const good = { id: 'e1', account: 'a1', amount: 5, at: 1_700_000_000_000 };

function recordOf(value: Uint8Array | string | null, offset = 0): KafkaRecord {
  return { offset, timestampMs: recordTimeMs, key: null, value: typeof value === 'string' ? Buffer.from(value) : value };
}

describe('decodeEvents', () => {
  test('gives an event its id, time and entity keys, and drops unknown fields', () => {
    const { events, rejections } = decodeEvents(pipeline, [recordOf(JSON.stringify({ ...good, extra: 1 }), 7)]);
    expect(rejections).toEqual([]);
    expect(events).toEqual([{ recordIndex: 0, offset: 7, recordTimeMs, event: good, eventId: 'e1', eventTimeMs: good.at, entityKeys: ['a1'] }]);
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
    ['__proto__ spelled with escapes', '{"\\u005f_proto__":{"admin":true},"id":"e1","account":"a","amount":1,"at":1}', 'FORBIDDEN_KEY'],
    ['constructor, nested', JSON.stringify({ ...good, x: { constructor: 1 } }), 'FORBIDDEN_KEY'],
    ['deep nesting', `{"id":"e1","account":"a","amount":1,"at":1,"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'TOO_DEEP'],
    ['an empty event id', JSON.stringify({ ...good, id: '' }), 'BAD_EVENT'],
    ['an empty entity', JSON.stringify({ ...good, account: '' }), 'BAD_EVENT'],
    ['a time before 1970', JSON.stringify({ ...good, at: -1 }), 'BAD_EVENT'],
    ['a time in the future', JSON.stringify({ ...good, at: recordTimeMs + 86_400_001 }), 'BAD_EVENT'],
    ['a time after the year 9999', JSON.stringify({ ...good, at: 1e15 }), 'BAD_EVENT'],
  ])('refuses %s, and its neighbours pass', (_, value, code) => {
    const { events, rejections } = decodeEvents(pipeline, [recordOf(JSON.stringify(good)), recordOf(value), recordOf(JSON.stringify(good))]);
    expect(rejections).toMatchObject([{ index: 1, step: 'decode', code }]);
    expect(events.map((event) => event.recordIndex)).toEqual([0, 2]);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  test.each([['none', -1], ['microseconds', recordTimeMs * 1_000], ['nanoseconds', recordTimeMs * 1_000_000], ['no number', Number.NaN]])(
    'a record whose own time is %s is decided, and has no time', (_, timestampMs) => {
      const { events, rejections } = decodeEvents(pipeline, [{ ...recordOf(JSON.stringify(good)), timestampMs }]);
      expect(rejections).toEqual([]);
      expect(events).toMatchObject([{ recordTimeMs: undefined, eventTimeMs: good.at }]);
    },
  );

  test('gives the headers on as they are', () => {
    const headers = Buffer.from([2, 97, 1]);
    expect(decodeEvents(pipeline, [{ ...recordOf(JSON.stringify(good)), headers }]).events[0]!.headers).toBe(headers);
  });

  test('refuses a stub, naming its size', () => {
    const { rejections } = decodeEvents(pipeline, [{ ...recordOf('{"id"'), stub: { recordBytes: 3_000_000 } }]);
    expect(rejections).toMatchObject([{ code: 'RECORD_TOO_LARGE', reason: expect.stringContaining('3000000') as string }]);
  });

  test('a reason never quotes the value', () => {
    const canary = 'canary-4929';
    for (const value of [canary, `{"id":"${canary}`, JSON.stringify({ ...good, amount: canary }), JSON.stringify({ ...good, at: canary })]) {
      expect(JSON.stringify(decodeEvents(pipeline, [recordOf(value)]).rejections)).not.toContain(canary);
    }
  });

  test('what the pipeline itself throws becomes a rejection of that record', () => {
    const broken = { ...pipeline, eventId: () => { throw new Error('no id'); } };
    expect(decodeEvents(broken, [recordOf(JSON.stringify(good))]).rejections).toMatchObject([{ code: 'BAD_EVENT', reason: 'eventId failed (Error)' }]);
  });

  test('property: any bytes end as an event or a rejection, in order', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.uint8Array(), fc.json().map((text) => Buffer.from(text)), fc.constant(Buffer.from(JSON.stringify(good))))), (values) => {
      const { events, rejections } = decodeEvents(pipeline, values.map((value, offset) => recordOf(value, offset)));
      const indexes = [...events.map((event) => event.recordIndex), ...rejections.map((rejection) => rejection.index)];
      expect(indexes.toSorted((a, b) => a - b)).toEqual(values.map((_, i) => i));
    }));
  });
});
