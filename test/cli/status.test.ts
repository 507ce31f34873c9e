import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { registerStatus } from '../../cli/status.ts';
import type { StatusReport } from '../../cli/status-report.ts';
import { writeEndpoints, type Endpoints } from '../../stack/supervisor/endpoints.ts';
import { testGateway } from '../gateway/rig.ts';
import { runCommand } from './run-command.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'headrace-status-'));
const file = join(dataDir, 'run', 'endpoints.json');
mkdirSync(join(dataDir, 'run'));
const gateway = await testGateway({
  checks: { kafka: () => Promise.resolve(), triton: () => Promise.reject(new Error('gone')) },
  gauges: {
    decisions: () => Promise.resolve([{ pipeline: 'orders', outcome: 'approve', decisions: 12 }]),
    openReviews: () => Promise.resolve([{ pipeline: 'orders', count: 3 }]),
    waitingReviews: () => Promise.resolve([{ pipeline: 'orders', count: 8 }]),
    deadLetters: () => Promise.reject(new Error('no broker')),
  },
  state: {
    partitions: () =>
      Promise.resolve({
        partitions: [
          {
            pipeline: 'orders',
            topic: 'orders',
            partition: 0,
            lag: 4,
            oldestSeconds: 90,
            waiting: {
              kind: 'paused',
              text: 'step infer of batch:1 is paused ("lunch")',
              by: 'ann',
              remedy: 'temporal activity unpause',
              forSeconds: 80,
            },
          },
          { pipeline: 'orders', topic: 'orders', partition: 1, lag: 0, waiting: { kind: 'records' } },
        ],
        processes: [],
        unknown: {},
      }),
    schedules: () =>
      Promise.resolve([
        {
          name: 'sweep',
          id: 'sweep:q',
          state: 'paused',
          note: 'ann at lunch',
          remedy: 'temporal schedule toggle',
          everySeconds: 300,
          ageSeconds: 7_200,
        },
      ]),
    openBatches: () => Promise.resolve({ total: 0, runs: [] }),
  },
});
await gateway.listen({ host: '127.0.0.1', port: 0 });
const gatewayUrl = `http://127.0.0.1:${(gateway.server.address() as AddressInfo).port}`;
afterAll(async () => {
  await gateway.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const endpoints: Endpoints = {
  version: 1,
  startedAt: '2026-01-02T03:04:05.000Z',
  dataDir,
  deployment: 'local',
  supervisorPid: process.pid,
  temporal: { address: '127.0.0.1:7233', namespace: 'headrace', uiUrl: 'http://127.0.0.1:8233', embedded: true },
  kafka: { brokers: ['127.0.0.1:9092'], embedded: true },
  database: { url: 'postgres://headrace:s3cret@127.0.0.1:5432/headrace', embedded: true },
  triton: { url: '127.0.0.1:8001', embedded: true },
  gateway: { url: gatewayUrl, docsUrl: `${gatewayUrl}/docs` },
  lake: { dir: join(dataDir, 'lake') },
  features: { dir: join(dataDir, 'features') },
  pipelines: [{ name: 'orders', topic: 'orders' }],
  metrics: { worker: 'http://127.0.0.1:9464' },
  services: [
    { name: 'kafka', state: 'ready', pid: 4_711, logFile: join(dataDir, 'logs', 'kafka.log') },
    { name: 'bridge', state: 'ready', pid: 4_712, logFile: join(dataDir, 'logs', 'bridge.log') },
  ],
};
const run = (...args: string[]) => runCommand(registerStatus, ['status', '--data-dir', dataDir, ...args]);

describe('headrace status', () => {
  it('gives programs every address, path and count', async () => {
    writeEndpoints(file, endpoints);
    const { stdout, exitCode } = await run('--output', 'json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      ...endpoints,
      counts: [
        {
          name: 'orders',
          topic: 'orders',
          decisions: { approve: 12 },
          openReviews: 3,
          waitingReviews: 8,
          partitions: [
            expect.objectContaining({ partition: 0, lag: 4 }),
            { topic: 'orders', partition: 1, lag: 0, waiting: { kind: 'records' } },
          ],
        },
        { name: 'returns', topic: 'returns', decisions: {}, openReviews: 0, waitingReviews: 0, partitions: [] },
      ],
      schedules: [
        {
          name: 'sweep',
          id: 'sweep:q',
          state: 'paused',
          note: 'ann at lunch',
          remedy: 'temporal schedule toggle',
          everySeconds: 300,
          ageSeconds: 7_200,
        },
      ],
      problems: [
        expect.objectContaining({ kind: 'server' }),
        expect.objectContaining({ kind: 'paused', log: join(dataDir, 'logs', 'bridge.log') }),
        expect.objectContaining({ kind: 'schedule' }),
      ],
      checks: [
        { name: 'kafka', needed: true, ready: true, latencyMs: expect.any(Number) },
        { name: 'triton', needed: false, ready: false, latencyMs: expect.any(Number), reason: 'gone' },
      ],
      unknown: { deadLetters: 'no broker' },
    } satisfies StatusReport);
  });

  it('tells people the same without the password', async () => {
    writeEndpoints(file, endpoints);
    const { stdout } = await run();
    for (const line of [
      `Headrace runs on ${dataDir} since 2026-01-02T03:04:05.000Z (process ${process.pid}).`,
      '127.0.0.1:7233, namespace headrace  (Web UI: http://127.0.0.1:8233)',
      'postgres://headrace:***@127.0.0.1:5432/headrace',
      join(dataDir, 'lake'),
      'http://127.0.0.1:9464/metrics',
      'ready  process 4711',
      'does not answer: gone',
      'pipeline orders',
      'approve 12',
      'no broker',
      'What stands, or does not do its work:',
      '  triton does not answer: gone',
      'orders-0 of orders: 4 records wait, the oldest for 90 s; its batch is paused, for 80 s: step infer of batch:1 is paused ("lunch") by ann; let it go on: temporal activity unpause',
      `log: ${join(dataDir, 'logs', 'bridge.log')}`,
      'the schedule sweep:q is paused ("ann at lunch"), so chains are not checked for holes; the last time was 2 h ago; let it go on: temporal schedule toggle',
    ])
      expect(stdout).toContain(line);
    expect(stdout).toMatch(/dead letters\s+unknown/);
    expect(stdout).not.toContain('s3cret');
  });

  const away = {
    kafka: { brokers: ['127.0.0.1:1'], embedded: true },
    database: { url: 'postgres://headrace@127.0.0.1:1/headrace', embedded: true },
    temporal: { ...endpoints.temporal, address: '127.0.0.1:1' },
    metrics: { worker: 'http://127.0.0.1:1' },
  };

  it('still gives the addresses when the gateway does not answer, and says so', async () => {
    writeEndpoints(file, {
      ...endpoints,
      gateway: { url: 'http://127.0.0.1:1', docsUrl: 'http://127.0.0.1:1/docs' },
      ...away,
    });
    const { stdout, exitCode } = await run('--output', 'json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      kafka: away.kafka,
      counts: [{ name: 'orders', partitions: [] }],
      checks: [],
      problems: [
        { kind: 'process', place: 'gateway' },
        { kind: 'process', place: 'worker' },
      ],
      unknown: {
        'log of orders': 'no broker answers',
        counts: expect.stringContaining('does not answer at http://127.0.0.1:1'),
      },
    });
  });

  it('says in one sentence that nothing runs, also when the one that wrote the file was killed', async () => {
    const sentence = `no Headrace runs on the data folder ${dataDir}; start one with "npm start", or name another folder with --data-dir`;
    rmSync(file);
    expect((await run()).error?.message).toBe(sentence);
    const dead = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => dead.once('exit', resolve));
    writeEndpoints(file, { ...endpoints, supervisorPid: dead.pid! });
    expect((await run()).error?.message).toBe(sentence);
  });

  it('says in one sentence that the file cannot be read, or is of another version', async () => {
    writeFileSync(file, '{"version": 1, ');
    expect((await run()).error?.message).toMatch(/endpoints\.json cannot be read: .*; check --data-dir$/);
    writeFileSync(file, JSON.stringify({ ...endpoints, version: 2 }));
    expect((await run()).error?.message).toMatch(/written by another version of Headrace/);
  });
});
