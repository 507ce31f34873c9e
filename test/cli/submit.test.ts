import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { registerSubmit } from '../../cli/submit.ts';
import { splitLines } from '../../cli/events/split-lines.ts';
import { submitEvents, type Refusal } from '../../cli/submit-events.ts';
import type { PublishEvents } from '../../gateway/routes-events.ts';
import { orderEvent } from '../gateway/orders.ts';
import { testGateway } from '../gateway/rig.ts';
import { runCommand } from './run-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headrace-submit-'));
const published: string[] = [];
let publish: PublishEvents;
const gateway = await testGateway({ publishEvents: (topic, messages) => publish(topic, messages) });
await gateway.listen({ host: '127.0.0.1', port: 0 });
const gatewayUrl = `http://127.0.0.1:${(gateway.server.address() as AddressInfo).port}`;

beforeEach(() => {
  published.length = 0;
  publish = (_, messages) => {
    published.push(...messages.map(({ value }) => (JSON.parse(value.toString()) as { orderId: string }).orderId));
    return Promise.resolve();
  };
});
afterAll(async () => {
  await gateway.close();
  rmSync(folder, { recursive: true, force: true });
});

async function* bytesOf(lines: Iterable<string>): AsyncGenerator<Buffer> {
  for (const line of lines) yield Buffer.from(`${line}\n`);
}

async function submit(
  lines: Iterable<string>,
  parts: { pipeline?: string; gatewayUrl?: string; triesMax?: number; onWaiting?: (reason: string) => void } = {},
) {
  const refusals: Refusal[] = [];
  const onRefused = (refusal: Refusal) => void refusals.push(refusal);
  const accepted = await submitEvents({
    gatewayUrl,
    pipeline: 'orders',
    pieces: splitLines(bytesOf(lines)),
    signal: new AbortController().signal,
    onRefused,
    ...parts,
  });
  return { accepted, refusals };
}

describe('submitEvents', () => {
  const line = (id: string, parts = {}) => JSON.stringify(orderEvent(id, parts));

  it('sends any number of lines in their order', async () => {
    const ids = Array.from({ length: 1_201 }, (_, i) => `o${i}`);
    expect(await submit(ids.map((id) => line(id)))).toEqual({ accepted: 1_201, refusals: [] });
    expect(published).toEqual(ids);
  });

  it('names refused lines by their number in the input, blank lines counted, and takes their neighbours', async () => {
    const { accepted, refusals } = await submit([
      line('a'),
      '',
      '{broken',
      line('b', { amount: -1 }),
      '7',
      line('c'),
      '  ',
      line('d', { customer: '' }),
    ]);
    expect(accepted).toBe(2);
    expect(published).toEqual(['a', 'c']);
    expect(refusals.map(({ line: number, code }) => [number, code])).toEqual([
      [3, 'NOT_JSON'],
      [4, 'SCHEMA_MISMATCH'],
      [5, 'SCHEMA_MISMATCH'],
      [8, 'BAD_EVENT'],
    ]);
  });

  it('splits what is too large for one request, and names a line that is too large alone', async () => {
    const big = Array.from({ length: 10 }, (_, i) => line(`big${i}`, { pad: 'x'.repeat(200_000) }));
    const { accepted, refusals } = await submit([...big, line('huge', { pad: 'x'.repeat(1_100_000) }), line('after')]);
    expect(accepted).toBe(11);
    expect(refusals).toEqual([{ line: 11, code: 'RECORD_TOO_LARGE', reason: expect.any(String) }]);
    expect(published.at(-1)).toBe('after');
  });

  it('sends again while Kafka does not answer', async () => {
    const take = publish;
    let failures = 2;
    publish = (topic, messages) => (failures-- > 0 ? Promise.reject(new Error('no broker')) : take(topic, messages));
    const waiting: string[] = [];
    expect(await submit([line('a')], { onWaiting: (reason) => waiting.push(reason) })).toEqual({
      accepted: 1,
      refusals: [],
    });
    expect(waiting).toEqual([expect.stringContaining('Kafka did not confirm')]);
  });

  it('gives up in one sentence when nobody answers, or nobody knows the pipeline', async () => {
    await expect(submit([line('a')], { gatewayUrl: 'http://127.0.0.1:1', triesMax: 2 })).rejects.toThrow(
      /no gateway takes events at http:\/\/127\.0\.0\.1:1 \(.*\)$/,
    );
    await expect(submit([line('a')], { pipeline: 'nope' })).rejects.toThrow(/"nope" is none of orders, returns/);
    publish = () => Promise.reject(new Error('no broker'));
    await expect(submit([line('a')], { triesMax: 2 })).rejects.toThrow(/Kafka did not confirm the events/);
  });
});

describe('headrace submit', () => {
  const file = join(folder, 'events.jsonl');
  const run = (...args: string[]) =>
    runCommand(registerSubmit, ['submit', '--pipeline', 'orders', '--gateway', `${gatewayUrl}/`, ...args]);

  it('tells accepted and refused lines of a file, for people and for programs, and fails when one is refused', async () => {
    writeFileSync(
      file,
      `${JSON.stringify(orderEvent('a'))}\r\n${JSON.stringify(orderEvent('b', { amount: 'much' }))}\n`,
    );
    const text = await run(file);
    expect(text).toMatchObject({ exitCode: 1, stdout: '1 event accepted, 1 line refused\n' });
    expect(text.stderr).toMatch(/^line 2: SCHEMA_MISMATCH: amount: .*\n$/);
    const json = await run(file, '--output', 'json');
    expect(JSON.parse(json.stdout)).toEqual({
      pipeline: 'orders',
      gateway: gatewayUrl,
      accepted: 1,
      refused: 1,
      refusals: [{ line: 2, code: 'SCHEMA_MISMATCH', reason: expect.stringContaining('amount') }],
    });
    expect(json.exitCode).toBe(1);
    writeFileSync(file, JSON.stringify(orderEvent('a')));
    expect(await run(file)).toMatchObject({ exitCode: 0, stdout: '1 event accepted, 0 lines refused\n' });
  });

  it('says in one sentence what cannot be read or used', async () => {
    expect((await run(join(folder, 'missing.jsonl'))).error?.message).toMatch(/missing\.jsonl cannot be read \(ENOENT/);
    expect((await run(join(folder, 'missing.jsonl'))).error).toMatchObject({ exitCode: 2 });
    expect((await run(folder)).error?.message).toMatch(/cannot be read \(EISDIR/);
    expect((await run(file, '--gateway', 'nonsense')).error?.message).toMatch(/--gateway must be an address/);
  });

  it('sends bytes as they stand in the file, and names the events of an array by their number and line', async () => {
    const raw: string[] = [];
    publish = async (_, messages) => void raw.push(...messages.map(({ value }) => value.toString()));
    const odd = (id: string) =>
      `{ "ref":9007199254740993, "orderId":"${id}","customer":"Zo\\u00eb",\n"amount":12.50,"at":"2026-01-02T03:04:05Z" }`;
    writeFileSync(file, `[${odd('a')},\n{"orderId":"b"},\n${odd('c')}]\n`);
    expect(await run(file)).toMatchObject({
      exitCode: 1,
      stdout: '2 events accepted, 1 event refused\n',
      stderr: expect.stringMatching(/^event 2 \(line 3\): SCHEMA_MISMATCH: /) as string,
    });
    expect(raw).toEqual(['a', 'c'].map(odd));
  });

  it('says in one sentence what a file is that holds no events, and that one is empty', async () => {
    writeFileSync(file, 'orderId,amount\na,1\nb,2\n');
    expect((await run(file)).error).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(`${file} is CSV: it must be JSON lines`) as string,
    });
    writeFileSync(file, ' \n');
    expect(await run(file)).toMatchObject({
      exitCode: 0,
      stdout: '0 events accepted, 0 lines refused\n',
      stderr: `${file} is empty: there is nothing to send\n`,
    });
  });

  it('sends what CloudEvents carry, and says how when it was not told', async () => {
    writeFileSync(
      file,
      JSON.stringify({ specversion: '1.0', id: '1', source: '/x', type: 'order', data: orderEvent('a') }),
    );
    expect(await run(file)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('headrace submit --cloudevents') as string,
    });
    expect(await run(file, '--cloudevents')).toMatchObject({
      exitCode: 0,
      stdout: '1 event accepted, 0 lines refused\n',
    });
    expect(published).toEqual(['a']);
  });

  it('says how many were accepted before it could not go on', async () => {
    writeFileSync(file, `[${Array.from({ length: 600 }, (_, i) => JSON.stringify(orderEvent(`o${i}`))).join()}; 1]`);
    expect((await run(file)).error).toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /is no JSON from line 1 on: ";" stands between two events; those before it were read; 500 events accepted before that$/,
      ) as string,
    });
  });

  it('asks for the pipeline, and names those that run', async () => {
    const dataDir = join(folder, 'data');
    const missing = () => runCommand(registerSubmit, ['submit', file, '--data-dir', dataDir]);
    expect((await missing()).error?.message).toBe(
      'say which pipeline the events are for: add --pipeline <name> ("headrace status" shows those of a running system)',
    );
    mkdirSync(join(dataDir, 'run'), { recursive: true });
    writeFileSync(
      join(dataDir, 'run', 'endpoints.json'),
      JSON.stringify({ version: 1, supervisorPid: process.pid, pipelines: [{ name: 'orders' }, { name: 'returns' }] }),
    );
    expect((await missing()).error?.message).toMatch(/\(the running system has orders, returns\)$/);
  });

  it('names refused lines in the order in which they stand, whatever the order in which they were refused', async () => {
    writeFileSync(
      file,
      [
        orderEvent('a', { amount: 'much' }),
        'x',
        orderEvent('b'),
        orderEvent('c', { customer: '' }),
        'y',
        orderEvent('d'),
      ]
        .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
        .join('\n'),
    );
    const { stderr, stdout } = await run(file);
    expect(stderr.match(/^line \d+/gm)).toEqual(['line 1', 'line 2', 'line 4', 'line 5']);
    expect(stdout).toBe('2 events accepted, 4 lines refused\n');
  });

  it('reads standard input while it is being written', async () => {
    const program = `
      import { Command } from 'commander';
      import { registerSubmit } from './cli/submit.ts';
      const program = new Command();
      registerSubmit(program);
      await program.parseAsync(process.argv.slice(1), { from: 'user' });`;
    const args = [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      program,
      'submit',
      '--pipeline',
      'orders',
      '--gateway',
      gatewayUrl,
    ];
    const child = spawn(process.execPath, args, {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      let stdout = '';
      child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
      for (let i = 0; i < 600; i += 1) child.stdin.write(`${JSON.stringify(orderEvent(`in${i}`))}\n`);
      await expect.poll(() => published.length, { timeout: 30_000 }).toBe(500);
      child.stdin.end();
      expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
      expect(stdout).toBe('600 events accepted, 0 lines refused\n');
      expect(published).toHaveLength(600);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
