import { createRequire } from 'node:module';
import { expect, test, vi } from 'vitest';
import { installFrameBounds } from '../../kafka/response-frames.ts';

interface Connection {
  socket: { destroy: (error: Error) => void };
  requestQueue: { fulfillRequest: (response: { size: number; correlationId: number; payload: Buffer }) => void };
  processData: (data: Buffer) => void;
}

const noLogger = { namespace: () => noLogger, debug: () => undefined, error: () => undefined };
const KafkaConnection = createRequire(import.meta.url)('kafkajs/src/network/connection') as new (
  options: object,
) => Connection;

function connect() {
  installFrameBounds();
  const connection = new KafkaConnection({ host: 'b', port: 1, logger: noLogger, requestTimeout: 1_000 });
  const destroy = vi.fn<Connection['socket']['destroy']>();
  const fulfill = vi.fn<Connection['requestQueue']['fulfillRequest']>();
  connection.socket = { destroy };
  connection.requestQueue.fulfillRequest = fulfill;
  return { connection, destroy, fulfill };
}

function response(correlationId: number, payload: string): Buffer {
  const bytes = Buffer.alloc(8 + payload.length);
  bytes.writeInt32BE(4 + payload.length);
  bytes.writeInt32BE(correlationId, 4);
  bytes.write(payload, 8);
  return bytes;
}

test("responses reach kafkajs's queue, however they are cut", () => {
  const bytes = Buffer.concat([response(1, 'one'), response(2, ''), response(3, 'three')]);
  for (let size = 1; size <= bytes.length; size++) {
    const { connection, fulfill, destroy } = connect();
    for (let at = 0; at < bytes.length; at += size) connection.processData(bytes.subarray(at, at + size));
    expect(fulfill.mock.calls.map(([{ correlationId, payload }]) => [correlationId, payload.toString()])).toEqual([
      [1, 'one'],
      [2, ''],
      [3, 'three'],
    ]);
    expect(destroy).not.toHaveBeenCalled();
  }
});

test.each([
  ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
  ['a size below zero', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['a size without room for a correlation id', Buffer.from([0, 0, 0, 3])],
])('%s ends the connection with an error', (_, bytes) => {
  const { connection, fulfill, destroy } = connect();
  connection.processData(bytes);
  expect(destroy.mock.calls.map(([error]) => error.message)).toEqual([expect.stringContaining('no response of Kafka')]);
  expect(fulfill).not.toHaveBeenCalled();
});
