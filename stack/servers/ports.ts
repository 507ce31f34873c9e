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

/** Below the range from which systems take the ports of outgoing connections (from 32768 on Linux): none of those takes a port of ours meanwhile. */
const [lowest, highest] = [20_000, 32_000];
const attemptsMax = 100;

/** Any free port on the host. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (recentlyGiven.includes(port) || (await tryListen(port, host)) === undefined) continue;
    // Somebody else may have been given it in the meantime.
    if (!recentlyGiven.includes(port)) return remember(port);
  }
  throw new Error(`no free port between ${lowest} and ${highest} on ${host} after ${attemptsMax} attempts`);
}

/** The preferred port when nothing listens on it, else any free one. */
export async function choosePort(preferredPort?: number, host = '127.0.0.1'): Promise<number> {
  if (preferredPort === undefined || preferredPort === 0) return freePort(host);
  // Listening on 127.0.0.1 succeeds beside a server on 0.0.0.0 on some systems, so both are tried.
  const onHost = await tryListen(preferredPort, host);
  const onAll = onHost === undefined ? undefined : await tryListen(preferredPort, '0.0.0.0');
  return onAll === undefined ? freePort(host) : remember(preferredPort);
}

/** How often a server is started anew because another program was quicker at one of its ports. */
const startsMax = 5;
/** As Go, Java, Node and PostgreSQL say it. */
const isTaken = /address (is )?already in use|EADDRINUSE|BindException/i;

/** Whether a server did not start because something listens on one of its ports. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && isTaken.test(error.message);
}

/**
 * Starts a server whose `start` chooses its ports itself: one that was free a moment ago may be taken when the server binds it, and
 * then it is started anew with others. Where it may have no other port than `fixedPort` it is not started while that is taken: whoever
 * has it might answer in its place.
 */
export async function startOnFreePorts<T>(
  name: string,
  fixedPort: number | undefined,
  start: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    if (fixedPort !== undefined && (await tryListen(fixedPort, '127.0.0.1')) === undefined)
      throw new Error(`${name} cannot start: port ${fixedPort} is taken (EADDRINUSE)`);
    try {
      return await start();
    } catch (error) {
      if (!isPortTaken(error) || attempt >= startsMax) throw error;
    }
  }
}
