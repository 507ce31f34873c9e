import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createRequire } from 'node:module';
import { Client, credentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { watchConnections } from '../../inference-client/connections.ts';
import { until } from '../live/wait.ts';

const manifest = (path: string) =>
  JSON.parse(readFileSync(path, 'utf8')) as { version: string; dependencies: Record<string, string> };

test('the version of grpc-js is the one whose internals this knows', () => {
  const installed = manifest(createRequire(import.meta.url).resolve('@grpc/grpc-js/package.json')).version;
  expect(installed).toBe(
    manifest(new URL('../../inference-client/package.json', import.meta.url).pathname).dependencies['@grpc/grpc-js'],
  );
});

test('each connection of a channel is seen', async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => void accepted.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const insecure = credentials.createInsecure();
  const seen: Socket[] = [];
  watchConnections(insecure, { connecting: (socket) => void seen.push(socket) });
  const client = new Client(`127.0.0.1:${(server.address() as AddressInfo).port}`, insecure);
  try {
    client.getChannel().getConnectivityState(true);
    await until('a connection', () => seen.length > 0 && accepted.length > 0);
    expect(seen[0]!.localPort).toBe(accepted[0]!.remotePort);
  } finally {
    client.close();
    for (const socket of [...seen, ...accepted]) socket.destroy();
    server.close();
  }
});

test('credentials that cannot be watched are refused at once', () => {
  expect(() => watchConnections({} as never, { connecting: () => undefined })).toThrow('cannot be watched');
});
