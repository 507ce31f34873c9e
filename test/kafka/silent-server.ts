import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach } from 'vitest';

/** Has a server for each test of the file, which takes every connection and says nothing. Returns what tells its port. */
export function useSilentServer(): () => number {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  beforeEach(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return () => (server.address() as AddressInfo).port;
}
