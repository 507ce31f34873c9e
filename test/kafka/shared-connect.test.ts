import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { installSharedConnect, type Connection } from '../../kafka/shared-connect.ts';
import { useSilentServer } from './silent-server.ts';

const noLogger = { namespace: () => noLogger, debug: () => undefined, error: () => undefined };
const KafkaConnection = createRequire(import.meta.url)('kafkajs/src/network/connection') as new (
  options: object,
) => Connection;

const silentPort = useSilentServer();

/** A connection, and the sockets that it has opened. */
function connection(): { connection: Connection; opened: Socket[] } {
  installSharedConnect();
  const opened: Socket[] = [];
  const socketFactory = ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }) => {
    const socket = connect({ host, port }, onConnect);
    opened.push(socket);
    return socket;
  };
  const options = { host: '127.0.0.1', port: silentPort(), logger: noLogger, socketFactory, connectionTimeout: 60_000 };
  return { connection: new KafkaConnection(options), opened };
}

test('those who connect at once share one socket, and it is closed', async () => {
  const { connection: shared, opened } = connection();
  await Promise.all([shared.connect(), shared.connect(), shared.connect()]);
  expect(opened).toHaveLength(1);
  await shared.disconnect();
  expect(opened.map(({ writableEnded }) => writableEnded)).toEqual([true]);

  await shared.connect();
  expect(opened).toHaveLength(2);
  await shared.disconnect();
});

test('one that is given up while it connects is not waited for by the next', async () => {
  const { connection: shared, opened } = connection();
  const first = shared.connect();
  await shared.disconnect();
  await shared.connect();
  expect(opened).toHaveLength(2);
  await first.catch(() => undefined);
  await shared.disconnect();
});
