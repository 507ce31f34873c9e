import { describe, expect, test } from 'vitest';
import { acceptEvents } from '../../gateway/accept-events.ts';
import { orderEvent, orders } from './orders.ts';

const sent = (text: string) => [{ value: Buffer.from(text) }];

describe('events that are checked as the worker checks them', () => {
  test("a pipeline whose own code can take none is told as such: it is no event's fault, and no failure of the gateway", () => {
    const asynchronous = { ...orders, eventId: (() => Promise.resolve('x')) as never };
    expect(() => acceptEvents(asynchronous, sent(JSON.stringify(orderEvent('order-1'))))).toThrow(
      expect.objectContaining({ status: 503, message: expect.stringContaining('eventId') as string }) as Error,
    );
  });

  test('an envelope behind a byte order mark is told as one', () => {
    const { refused } = acceptEvents(orders, sent('\uFEFF{"specversion":"1.0","data":{}}'));
    expect(refused).toMatchObject([
      { code: 'SCHEMA_MISMATCH', reason: expect.stringContaining('it looks like a CloudEvent') as string },
    ]);
  });
});
