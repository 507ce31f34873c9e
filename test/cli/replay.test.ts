import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { registerReplay } from '../../cli/replay.ts';
import type { Run, Step } from '../../temporal/history/steps.ts';
import { historyToJson } from '../../temporal/history/history-json.ts';
import { readRecorded, recordedFile, recordedNames } from '../replay/histories.ts';
import { runCommand } from './run-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headrace-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = (...args: string[]) => runCommand(registerReplay, ['replay', ...args]);

type JsonEvent = Record<string, any>;
let files = 0;

/** Writes a recorded history after a change. */
function changed(name: string, change: (events: JsonEvent[]) => JsonEvent[]): string {
  const { events } = historyToJson(readRecorded(name)) as { events: JsonEvent[] };
  return write(JSON.stringify({ events: change(events) }));
}

function write(text: string): string {
  const file = join(folder, `${files++}.json`);
  writeFileSync(file, text);
  return file;
}

/** A history of a batch whose frame was replaced. */
function withInput(payload: object): string {
  return changed('batch-delivered', (events) => {
    events[0]!['workflowExecutionStartedEventAttributes'].input.payloads[1] = payload;
    return events;
  });
}

const decoded =
  /was decoded when it was exported, .*; export it raw: without --codec-endpoint, in the Web UI as "encoded"$/;
const base64 = (text: string) => Buffer.from(text).toString('base64');

async function report(name: string, ...args: string[]): Promise<Run & { verdict: object }> {
  const { stdout, exitCode, error } = await run(recordedFile(name), '--output', 'json', ...args);
  expect(error).toBeUndefined();
  expect(exitCode).toBe(0);
  return JSON.parse(stdout) as Run & { verdict: object };
}

const brief = ({ kind, name, input, result }: Step) => [
  kind,
  name,
  kind === 'local activity' || kind === 'activity' ? input?.[1] : undefined,
  result,
];

describe('headrace replay of a file', () => {
  it('tells each step of a batch, decoded', async () => {
    const { workflowId, type, status, events, steps, verdict } = await report('batch-delivered', '--rows', '2');
    expect({ workflowId, type, status, events, verdict }).toEqual({
      workflowId: expect.stringMatching(/^batch:test:payments-.*:0:topic-.*:0\.0:0$/),
      type: 'processBatch',
      status: 'completed',
      events: 15,
      verdict: { replays: true },
    });
    const found = (kind: string, name: string) => steps.find((step) => step.kind === kind && step.name === name)!;
    const range = { partition: 0, position: 0, end: 4, count: 4, first: true };
    const records = {
      frame: 'records',
      total: 4,
      shown: 2,
      rows: [
        { offset: 0, value: { id: 'e0', account: 'a0', amount: 20 } },
        { offset: 1, value: { id: 'e1', amount: 14_900 } },
      ],
    };
    expect(found('started', 'processBatch').input).toMatchObject([
      { batch: { chain: 0, sequence: 0, ranges: [range] }, behind: { positions: { 0: 4 } } },
      records,
    ]);
    expect(found('local activity', 'score')).toMatchObject({
      attempt: 1,
      summary: 'features and decisions',
      durationMs: expect.any(Number),
      input: [{ ranges: [range] }, records],
      result: {
        frame: 'scored',
        features: {
          frame: 'features',
          total: 4,
          shown: 2,
          rows: [
            { features: { amount: 20, count_1h: 1, sum_1h: 20 } },
            { features: { amount: 14_900, count_1h: 1, sum_1h: 14_900 } },
          ],
        },
        decisions: {
          frame: 'decisions',
          model: { name: 'linear', version: '2' },
          totals: {
            outcomes: { approve: 2, review: 1, block: 1 },
            sinks: { lake: 4, dashboard: 4, decisions: 4, review: 1 },
          },
          rows: [
            { outcome: 'approve', prediction: { y: 20 + 2 + 80 + 100.5 } },
            { outcome: 'review', prediction: { y: 14_900 + 2 + 4 * 14_900 + 100.5 } },
          ],
        },
      },
    });
    expect(found('update', 'scored').result).toEqual({
      ranges: [range],
      startId: expect.any(String),
      positions: { 0: 4 },
    });
    expect(found('local activity', 'deliverAll')).toMatchObject({
      summary: 'to lake, dashboard, decisions, review, ledger',
      result: { delivered: { lake: 4, dashboard: 4, decisions: 4, review: 1, ledger: 0 }, missing: {} },
    });
    expect(steps.at(-1)).toMatchObject({
      kind: 'closed',
      name: 'completed',
      result: { outcomes: { approve: 2, review: 1, block: 1 } },
    });
  });

  it('tells both frames of a step that scored the batch', async () => {
    const { stdout } = await run(recordedFile('batch-delivered'), '--rows', '1');
    expect(stdout).toMatch(
      /^ +out +frame "features" of 4 rows, 1 shown.*\n.*"amount":20.*\n +out +frame "decisions" of 4 rows, 1 shown.*\n.*"outcome":"approve"/m,
    );
  });

  it('tells which steps went on as regular activities, and why', async () => {
    const { steps } = await report('batch-sink-away');
    expect(steps.find(({ name }) => name === 'deliverAll')!.result).toMatchObject({
      missing: { dashboard: expect.stringContaining('it takes longer than') },
    });
    expect(steps.filter(({ name }) => name === 'deliver').map(brief)).toEqual([
      ['activity', 'deliver', 'dashboard', 2],
    ]);
    const model = (await report('batch-model-away')).steps.filter(({ name }) => name === 'infer');
    expect(model).toMatchObject([
      {
        kind: 'activity',
        attempt: expect.any(Number),
        failure: { message: expect.stringContaining('MODEL_UNAVAILABLE') },
        result: { frame: 'decisions', total: 2 },
      },
    ]);
    expect(model[0]!.attempt).toBeGreaterThan(1);
    const late = (await report('batch-deliveries-timed-out')).steps.filter(({ name }) => name === 'deliverAll');
    expect(late).toMatchObject([{ kind: 'local activity', failure: { message: 'Activity timed out' } }]);
  });

  it('tells the messages of a review', async () => {
    const { steps, type } = await report('review-signal');
    expect(type).toBe('review');
    expect(steps.filter(({ kind }) => kind === 'signal').map(({ name, input }) => [name, input])).toEqual([
      ['verdict', [{ verdict: 'maybe', reviewer: 'robin' }]],
      ['verdict', [{ verdict: 'legitimate', reviewer: 'robin' }]],
    ]);
    expect(steps.find(({ kind }) => kind === 'timer')).toMatchObject({ name: '3600000 ms', result: 'canceled' });
  });

  it('reads well as text', async () => {
    const { stdout, exitCode } = await run(recordedFile('batch-dead-letters'), '--rows', '1');
    expect(exitCode).toBe(0);
    for (const line of [
      /^batch:test:.*:0\.0:1, run [0-9a-f-]{36}$/m,
      /^processBatch, completed after [\d.]+ ms, started 20/m,
      /^ +6 {2}[\d:.]+ local activity score {2}\("features and decisions", [\d.]+ ms\)$/m,
      /^ +in +frame "records" of 4 rows, 1 shown: \{"clock":/m,
      /^ +\{"partition":0,"offset":4,.*"amount":20/m,
      /NOT_JSON.*no JSON text/,
      /^ +in +\{\.\.\.\} as at event 6$/m,
      /local activity deliverAll {2}\("to lake, .*dead letters"/,
      /^REPLAYS: today's code takes the same steps \(15 events\)\.$/m,
    ])
      expect(stdout).toMatch(line);
    expect(stdout.match(/"offset":/g)).toHaveLength(1);
  });

  it.each(recordedNames())('knows every kind of event in %s', async (name) => {
    const { steps, verdict } = await report(name);
    expect(verdict).toEqual({ replays: true });
    expect(steps.filter(({ kind, open }) => kind === 'event' || open)).toEqual([]);
  });

  it('replays a history whose run is still open', async () => {
    const file = changed('batch-sink-away', (events) => events.slice(0, 15));
    const { stdout, exitCode } = await run(file, '--output', 'json');
    expect(exitCode).toBe(0);
    const { status, steps } = JSON.parse(stdout) as Run;
    expect(status).toBe('open');
    expect(steps.at(-1)).toMatchObject({ kind: 'activity', name: 'deliver', open: true });
  });

  it("says where today's code diverges", async () => {
    const file = changed('batch-delivered', (events) => {
      const { details } = events.find(
        ({ markerRecordedEventAttributes: marker }) =>
          marker && Buffer.from(marker.details.data.payloads[0].data, 'base64').includes('"deliverAll"'),
      )!['markerRecordedEventAttributes'];
      details.data.payloads[0].data = base64(
        Buffer.from(details.data.payloads[0].data, 'base64').toString().replace('"deliverAll"', '"deliverNone"'),
      );
      return events;
    });
    const { stdout, exitCode, error } = await run(file);
    expect(error).toBeUndefined();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/local activity deliverNone[^\n]*\n( {20}[^\n]*\n)+ {20}\^\^\^ diverged here\n/);
    expect(stdout).toMatch(
      /\nDIVERGES at event 13 \(local activity deliverNone\): \[TMPRL1100\] Nondeterminism error: .*'deliverNone'.*'deliverAll'\n.*patched\(\)\.\n$/,
    );
    const json = JSON.parse((await run(file, '--output', 'json')).stdout) as object;
    expect(json).toMatchObject({
      verdict: {
        replays: false,
        problem: { kind: 'diverged', eventId: 13, message: expect.stringMatching(/^\[TMPRL1100\]/) },
      },
    });
  });

  it('says that a key is missing', async () => {
    const file = changed('batch-delivered', (events) => {
      const metadata = { encoding: 'binary/aes-256-gcm', 'headrace-key-id': 'k7', 'headrace-inner': 'json/plain' };
      events[0]!['workflowExecutionStartedEventAttributes'].input.payloads[0].metadata = Object.fromEntries(
        Object.entries(metadata).map(([name, value]) => [name, base64(value)]),
      );
      return events;
    });
    const { stdout, exitCode } = await run(file);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('DOES NOT REPLAY: payload was encrypted with key "k7": add it to HEADRACE_CODEC_OLD_KEYS');
  });

  it.each<[string, () => string, RegExp]>([
    ['is not there', () => join(folder, 'none.json'), /none\.json cannot be read \(ENOENT/],
    ['is a folder', () => folder, /cannot be read \(EISDIR/],
    ['is no JSON', () => write('{ "events": [ '), /is no JSON \(/],
    [
      'is other JSON',
      () => write('[1]'),
      /is no workflow history: it has no list "events"; export one with: temporal workflow show/,
    ],
    [
      'has other things as events',
      () => write('{ "events": [{}, 1] }'),
      /cannot be read as a raw history|does not begin with the start of a workflow/,
    ],
    [
      'was cut at its beginning',
      () => changed('batch-delivered', (events) => events.slice(3)),
      /does not begin with the start of a workflow: export the whole history$/,
    ],
    [
      'lacks an event',
      () => changed('batch-delivered', (events) => events.toSpliced(4, 1)),
      /is not complete: event 5 is missing$/,
    ],
    [
      'has an event of a newer server',
      () => changed('batch-delivered', (events) => events.with(4, { eventId: '5', eventType: 'EVENT_TYPE_NEW' })),
      /event 5 of a type that this version does not know$/,
    ],
    [
      "is of somebody else's workflow",
      () =>
        changed('review-signal', (events) => {
          events[0]!['workflowExecutionStartedEventAttributes'].workflowType.name = 'sendMail';
          return events;
        }),
      /is the history of a workflow "sendMail", which is none of Headrace's: processBatch, review, rollUpLake, sweep, resume$/,
    ],
    [
      'was decoded by the codec endpoint',
      () => withInput({ metadata: { encoding: base64('json/plain') }, data: base64('{"frame":"records"}') }),
      decoded,
    ],
    ['was made readable by the Web UI', () => withInput({ frame: 'records', rows: [] }), decoded],
  ])('says in one sentence that a file %s', async (_, file, says) => {
    const { error, stdout } = await run(file());
    expect(error?.message).toMatch(says);
    expect(error?.message).not.toContain('\n');
    expect(stdout).toBe('');
  });

  it('refuses a number of rows that is none', async () => {
    expect((await run(recordedFile('batch-delivered'), '--rows', 'many')).error?.message).toMatch(
      /--rows <count>.*'many' is invalid.*whole number/,
    );
  });
});

describe('headrace replay --inspect', () => {
  it('waits for a debugger, stops in the workflow, and goes on to the end', async () => {
    mkdirSync(join(folder, 'no-system'), { recursive: true });
    const command = spawn(
      process.execPath,
      [
        join(import.meta.dirname, '../../cli/headrace.mjs'),
        'replay',
        '--inspect',
        '--data-dir',
        join(folder, 'no-system'),
        recordedFile('batch-delivered'),
      ],
      { stdio: 'pipe' },
    );
    const exited = once(command, 'exit') as Promise<[number | null]>;
    let said = '';
    let told = '';
    command.stdout.on('data', (text: Buffer) => (said += text.toString()));
    try {
      const port = await new Promise<string>((resolve, reject) => {
        void exited.then(() => reject(new Error(`ended early: ${told}`)));
        command.stderr.on('data', (text: Buffer) => {
          told += text.toString();
          const listening = /Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(told);
          if (listening) resolve(listening[1]!);
        });
      });
      expect(told).toMatch(
        new RegExp(
          `Waiting for a debugger on 127\\.0\\.0\\.1:${port}\\.[^]*chrome://inspect[^]*Attach to Node Process`,
        ),
      );
      expect(said).toBe('');
      const client = [
        join(import.meta.dirname, 'debugger-client.mjs'),
        port,
        'if (scored.decisions)',
        '({ sequence: batch.sequence, end: batch.ranges[0].end })',
      ];
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--experimental-websocket', '--no-warnings', ...client],
        { timeout: 45_000 },
      );
      const stops = JSON.parse(stdout) as { function: string; sources: string[]; value?: unknown }[];
      expect(stops).toHaveLength(2);
      expect(stops[0]).toMatchObject({
        function: 'execute',
        sources: expect.arrayContaining([expect.stringMatching(/\/workflows\/process-batch\.ts$/)]),
      });
      expect(stops[1]!.value).toEqual({ sequence: 0, end: 4 });
      expect(await exited).toEqual([0, null]);
      expect(said).toContain("REPLAYS: today's code");
    } finally {
      command.kill('SIGTERM');
    }
  });
});
