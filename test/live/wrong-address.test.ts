import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../source-tree.ts';
import { uniqueName } from '../stack/live.ts';
import { startForVisits } from '../stack/visits.ts';

const folder = mkdtempSync(join(tmpdir(), 'headrace-addresses-'));

/** Something that takes connections and says nothing, as a wrong port can. */
let silent: Server;
/** What a Web UI is, or the other port of a server. */
let http: Server;
let env: Record<string, string>;
const children: ChildProcess[] = [];

beforeAll(async () => {
  silent = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  http = createHttpServer((_, response) => response.end('hi'));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  env = { ...(await startForVisits(folder, uniqueName('visits'))).env, HEADRACE_DATA_DIR: join(folder, 'data') };
}, 180_000);
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  silent?.close();
  http?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** All that a process says until it ends by itself. */
function saidBy(main: string, more: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', main], {
    cwd: root,
    env: { ...env, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

const nobody = '127.0.0.1:1';
const database = `postgres://ann:s3cret@${nobody}/shop`;
const wrong: [string, string, () => Record<string, string>, RegExp][] = [
  [
    'bridge',
    'KAFKA_BROKERS',
    () => ({ KAFKA_BROKERS: nobody }),
    /^bridge: no Kafka answers at 127\.0\.0\.1:1; check KAFKA_BROKERS .*ECONNREFUSED.*\n$/,
  ],
  [
    'bridge',
    'KAFKA_BROKERS of a silent server',
    () => ({ KAFKA_BROKERS: `127.0.0.1:${(silent.address() as AddressInfo).port}` }),
    /^bridge: no Kafka answers at 127\.0\.0\.1:\d+; check KAFKA_BROKERS .*\n$/,
  ],
  [
    'bridge',
    'TEMPORAL_ADDRESS',
    () => ({ TEMPORAL_ADDRESS: nobody }),
    /^bridge: no Temporal server answers at 127\.0\.0\.1:1; check TEMPORAL_ADDRESS .*\n$/,
  ],
  [
    'worker',
    'KAFKA_BROKERS',
    () => ({ KAFKA_BROKERS: nobody }),
    /^worker: no Kafka answers at 127\.0\.0\.1:1; check KAFKA_BROKERS .*\n$/,
  ],
  [
    'worker',
    'TEMPORAL_ADDRESS',
    () => ({ TEMPORAL_ADDRESS: nobody }),
    /^worker: no Temporal server answers at 127\.0\.0\.1:1; check TEMPORAL_ADDRESS .*\n$/,
  ],
  [
    'worker',
    'TEMPORAL_ADDRESS of an HTTP port',
    () => ({ TEMPORAL_ADDRESS: `127.0.0.1:${(http.address() as AddressInfo).port}` }),
    /^worker: no Temporal server answers at \S+; check TEMPORAL_ADDRESS \(127\.0\.0\.1:\d+ speaks HTTP\/1\.1, not gRPC: the gRPC port of Temporal is usually 7233, and 8233 is its Web UI\)\n$/,
  ],
  [
    'worker',
    'DATABASE_URL',
    () => ({ DATABASE_URL: database }),
    /^worker: no usable Postgres at 127\.0\.0\.1:1\/shop; check DATABASE_URL .*\n$/,
  ],
  [
    'gateway',
    'TEMPORAL_ADDRESS',
    () => ({ TEMPORAL_ADDRESS: nobody }),
    /^gateway: no Temporal server answers at 127\.0\.0\.1:1; check TEMPORAL_ADDRESS .*\n$/,
  ],
];

describe('a process with a wrong address', () => {
  // Most of them wait for a time-out, so they wait together.
  it.concurrent.each(wrong)('%s: says in one sentence that %s is wrong, and ends', async (name, _, more, sentence) => {
    const { code, said } = await saidBy(`${name}/main.ts`, more());
    expect(said).toMatch(sentence);
    expect(said).not.toContain('s3cret');
    expect(code).toBe(1);
  });
});
