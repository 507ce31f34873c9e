import { tryListen } from '../../../stack/servers/ports.ts';

const [lowest, highest] = [20_000, 32_000];
const attemptsMax = 100;
const given = new Set<number>();

/**
 * A free port that the system gives to no outgoing connection: a server that is down for a while, or a proxy that refuses, must find it
 * free again, and those of the usual range (from 32768 on Linux) may be a client's by then.
 */
export async function quietPort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (given.has(port) || (await tryListen(port, host)) === undefined) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${lowest} and ${highest} on ${host} after ${attemptsMax} attempts`);
}
