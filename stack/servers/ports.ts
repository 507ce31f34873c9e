import { createServer } from 'node:net';

/** The port that could be bound, and is free again; undefined when it is taken or not allowed. */
export function tryListen(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

/**
 * Ports handed out by this process and perhaps not bound yet: two servers that start side by side must not be
 * given the same one. Bounded: the oldest is forgotten, long after its server has bound it.
 */
const recentlyGiven: number[] = [];
const recentlyGivenMax = 64;

function remember(port: number): number {
  recentlyGiven.push(port);
  if (recentlyGiven.length > recentlyGivenMax) recentlyGiven.shift();
  return port;
}

/** Any free port on the host. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = await tryListen(0, host);
    if (port !== undefined && !recentlyGiven.includes(port)) return remember(port);
  }
  throw new Error(`no free port on ${host} after 100 attempts`);
}

/** The preferred port when nothing listens on it, else any free one. */
export async function choosePort(preferredPort?: number, host = '127.0.0.1'): Promise<number> {
  if (preferredPort === undefined || preferredPort === 0) return freePort(host);
  // Listening on 127.0.0.1 succeeds beside a server on 0.0.0.0 on some systems, so both are tried.
  const onHost = await tryListen(preferredPort, host);
  const onAll = onHost === undefined ? undefined : await tryListen(preferredPort, '0.0.0.0');
  return onAll === undefined ? freePort(host) : remember(preferredPort);
}
