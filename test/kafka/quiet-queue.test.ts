import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { installQuietQueue, type RequestQueue } from '../../kafka/quiet-queue.ts';

const noLogger = { namespace: () => noLogger, debug: () => undefined };
const Queue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => RequestQueue & { checkPendingRequests: () => void; maybeThrottle: (ms: number) => void };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a connection without requests has no timer; one whose requests wait has', () => {
  installQuietQueue();
  const queue = new Queue({
    maxInFlightRequests: 1,
    requestTimeout: 1_000,
    enforceRequestTimeout: true,
    clientId: 'test',
    broker: 'b:1',
    logger: noLogger,
    isConnected: () => true,
  });
  queue.checkPendingRequests();
  expect(vi.getTimerCount()).toBe(0);

  queue.maybeThrottle(500);
  queue.checkPendingRequests();
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(1_000);
  expect(vi.getTimerCount()).toBe(0);

  // One is with the broker, so the other waits its turn.
  const request = (correlationId: number) => ({
    entry: { correlationId, resolve: () => undefined, reject: () => undefined },
    expectResponse: true,
    sendRequest: () => undefined,
  });
  const push = (queue as unknown as { push: (request: object) => void }).push.bind(queue);
  push(request(1));
  expect(vi.getTimerCount()).toBe(0);
  push(request(2));
  expect(vi.getTimerCount()).toBe(1);
});
