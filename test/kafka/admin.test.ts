import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAdmin } from '../../kafka/admin.ts';

/** Takes every connection, and says nothing. */
const sockets = new Set<Socket>();
const server = createServer((socket) => void sockets.add(socket));

beforeEach(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('no call of an admin client takes longer than its deadline, whatever kafkajs goes on to try', async () => {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${(server.address() as AddressInfo).port}`],
    logLevel: logLevel.NOTHING,
    requestTimeout: 600_000,
    enforceRequestTimeout: true,
    retry: { retries: 0 },
  });
  const admin = createAdmin(kafka, 20);
  await expect(admin.connect()).rejects.toThrow('Kafka does not answer within 0.02 s (connect)');
  expect(admin.events.CONNECT).toBe('admin.connect');
  await admin.disconnect().catch(() => undefined);
});
