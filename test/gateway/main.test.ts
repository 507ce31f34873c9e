import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uniqueName } from '../stack/live.ts';
import { startForVisits } from '../stack/visits.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'headrace-gateway-'));
const topic = uniqueName('visits');

describe('gateway process', () => {
  let env: Record<string, string>;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    const started = await startForVisits(folder, topic);
    env = started.env;
    const admin = new Kafka({ brokers: started.live.kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true, timeout: 30_000 });
    await admin.disconnect();
  }, 180_000);
  afterAll(() => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts the process; resolves with its first line on stdout, or with how it ended before that. */
  function start(
    more: Record<string, string> = {},
  ): Promise<{ child: ChildProcess; line?: Record<string, unknown>; stderr: string; code: number | null }> {
    const child = spawn(process.execPath, ['--import', 'tsx', 'gateway/main.ts'], {
      cwd: root,
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let stdout = '';
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    return new Promise((resolve) => {
      child.stdout.on('data', (data: Buffer) => {
        stdout += data.toString();
        if (stdout.includes('\n'))
          resolve({ child, line: JSON.parse(stdout) as Record<string, unknown>, stderr, code: null });
      });
      child.once('close', (code) => resolve({ child, stderr, code }));
    });
  }
  const ended = (child: ChildProcess) =>
    new Promise<number | null>((resolve) => {
      if (child.exitCode !== null) resolve(child.exitCode);
      else child.once('exit', resolve);
    });

  it('serves, names what is missing, moves from a taken port, and stops on SIGTERM', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const { child, line } = await start({ HEADRACE_GATEWAY_PORT: String(port) });
      const url = line!['url'] as string;
      expect(line).toMatchObject({ ready: true, pipelines: ['visits'] });
      expect(url).not.toContain(`:${port}`);
      const sent = await fetch(`${url}/v1/pipelines/visits/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ id: 'v1', page: 'home', at: 1_760_000_000_000 }]),
      });
      expect([sent.status, await sent.json()]).toEqual([202, { accepted: 1, eventIds: ['v1'] }]);
      const ready = await fetch(`${url}/readyz`);
      expect([ready.status, await ready.json()]).toMatchObject([
        200,
        {
          ready: true,
          missing: [],
          degraded: ['triton'],
          checks: [
            { name: 'kafka', ready: true },
            { name: 'temporal', ready: true },
            { name: 'postgres', ready: true },
            { name: 'triton' },
          ],
        },
      ]);
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toContain('headrace_dead_letters{pipeline="visits"} 0');
      expect(metrics).toContain('process_cpu_seconds_total');
      const unknown = await fetch(`${url}/v1/decisions/v1`);
      expect(unknown.status).toBe(404);
      child.kill('SIGTERM');
      expect(await ended(child)).toBe(0);
    } finally {
      taken.close();
    }
  });

  it.each([
    [
      'DATABASE_URL',
      { DATABASE_URL: 'postgres://ann:s3cret@127.0.0.1:1/shop' },
      /^gateway: no usable Postgres at 127\.0\.0\.1:1\/shop; check DATABASE_URL \(.*ECONNREFUSED.*\)\n$/,
    ],
    [
      'KAFKA_BROKERS',
      { KAFKA_BROKERS: '127.0.0.1:1' },
      /^gateway: no Kafka answers at 127\.0\.0\.1:1; check KAFKA_BROKERS .*\n$/,
    ],
    [
      'HEADRACE_GATEWAY_HOST',
      { HEADRACE_GATEWAY_HOST: '192.0.2.1' },
      /gateway: cannot listen on 192\.0\.2\.1:0; check HEADRACE_GATEWAY_HOST/,
    ],
    ['HEADRACE_PIPELINES', { HEADRACE_PIPELINES: 'nope' }, /^gateway: unknown pipeline "nope": .* has visits\n$/],
  ])('says in one sentence that %s is wrong', async (_, more, sentence) => {
    const { code, stderr } = await start(more);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toMatch(/s3cret|\n\s+at /);
    expect(code).toBe(1);
  });
});
