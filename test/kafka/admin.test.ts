import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { createAdmin } from '../../kafka/admin.ts';
import { useSilentServer } from './silent-server.ts';

const silentPort = useSilentServer();

test('no call of an admin client takes longer than its deadline, whatever kafkajs goes on to try', async () => {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${silentPort()}`],
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
