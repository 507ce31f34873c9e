import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { identityOf, isAlive } from '../../../stack/servers/identity.ts';
import type { Endpoints } from '../../../stack/supervisor/index.ts';
import { temporaryFolder, until } from '../../stack/servers/trial.ts';

const program = fileURLToPath(new URL('../../../cli/headrace.mjs', import.meta.url));
const pipelines = fileURLToPath(new URL('pipelines', import.meta.url));
/** Nothing listens there: the test pipeline's fallback decides, and no model server is needed. */
const env = {
  ...process.env,
  TRITON_URL: '127.0.0.1:1',
  HEADRACE_DATA_DIR: '',
  LC_ALL: 'C',
  // As somebody has them who works with a database of their own.
  PGHOST: 'db.invalid',
  PGOPTIONS: '-c search_path=elsewhere',
  PGSSLMODE: 'require',
  // As in a company's network: servers of this machine are not behind it.
  ...Object.fromEntries(
    ['http_proxy', 'https_proxy', 'grpc_proxy', 'all_proxy']
      .flatMap((name) => [name, name.toUpperCase()])
      .map((name) => [name, 'http://127.0.0.1:1']),
  ),
  no_grpc_proxy: '',
  no_proxy: '',
  NO_PROXY: '',
  NODE_USE_ENV_PROXY: '1',
};

interface Run {
  pid: number;
  output: () => string;
  exited: Promise<number | null>;
  kill: (signal: NodeJS.Signals) => void;
}

function up(dataDir: string, ...args: string[]): Run {
  const child = spawn(
    process.execPath,
    [program, 'up', '--pipelines', pipelines, '--data-dir', dataDir, '--free-ports', ...args],
    { env, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (text += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exited;
  }, 30_000);
  return { pid: child.pid as number, output: () => text, exited, kill: (signal) => void child.kill(signal) };
}

function refused(...args: string[]): string {
  const { status, stderr } = spawnSync(process.execPath, [program, 'up', ...args], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(status).toBe(1);
  expect(stderr).not.toContain('    at ');
  return stderr;
}

async function says(run: Run, pattern: RegExp): Promise<void> {
  let ended = false;
  void run.exited.then(() => void (ended = true));
  await until(
    () => {
      if (ended && !pattern.test(run.output())) throw new Error(`it ended without saying ${pattern}:\n${run.output()}`);
      return pattern.test(run.output());
    },
    `output ${pattern}`,
    240_000,
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${run.output()}`);
  });
}

function endpointsOf(dataDir: string): Endpoints {
  return JSON.parse(readFileSync(join(dataDir, 'run', 'endpoints.json'), 'utf8')) as Endpoints;
}

function processesOf({ services }: Endpoints) {
  return services.flatMap(({ pid }) => (pid === undefined ? [] : [identityOf(pid)]));
}

function killWorker({ services }: Endpoints): void {
  process.kill(services.find(({ name }) => name === 'worker')?.pid as number, 'SIGKILL');
}

async function countDecisions(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return Number((await client.query<{ n: string }>('select count(*) as n from decisions')).rows[0]?.n);
  } finally {
    await client.end();
  }
}

const order = (n: number): string =>
  JSON.stringify({ id: `order-${n}`, shop: `shop-${n % 3}`, amount: n, at: 1_700_000_000_000 + n });

describe('headrace up', () => {
  it('feeds a file, restarts what dies, refuses a second one, survives its own death, and stops everything', async () => {
    const folder = temporaryFolder();
    // With all that a server may take for something else.
    const dataDir = join(folder, ' данные größe: #1 = 100%20, \\');
    const file = join(folder, 'events.jsonl');
    writeFileSync(
      file,
      [order(1), 'nonsense', order(2), '{"id":"x"}', ...Array.from({ length: 98 }, (_, i) => order(i + 3))].join('\n'),
    );

    const first = up(dataDir, '--events', file);
    await says(first, /events\.jsonl: done, 100 events taken, 2 refused/);
    expect(first.output()).toMatch(/events\.jsonl:2: refused: the line is no JSON text/);
    expect(first.output()).toMatch(/events\.jsonl:4: refused: .*shop/);
    expect(first.output()).toMatch(
      /Temporal Web UI {2}http:\/\/127\.0\.0\.1:\d+\/namespaces\/headrace\/workflows {2}\(closed runs are kept 1 h\)/,
    );
    const endpoints = endpointsOf(dataDir);
    expect(statSync(join(dataDir, 'run', 'endpoints.json')).mode & 0o777).toBe(0o600);
    expect(first.output()).not.toContain(new URL(endpoints.database.url).password);
    await until(async () => (await countDecisions(endpoints.database.url)) === 100, '100 decisions', 120_000);

    expect(refused('--data-dir', dataDir)).toContain(
      `data folder ${dataDir} is in use by another Headrace (process ${first.pid})`,
    );

    killWorker(endpoints);
    await says(first, /worker was ended by SIGKILL; starting it again[^]*worker: ready/);

    const processes = processesOf(endpointsOf(dataDir));
    expect(processes.length).toBeGreaterThanOrEqual(6);
    first.kill('SIGKILL');
    await first.exited;

    const second = up(dataDir, '--no-generator');
    await says(second, /Headrace is up/);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(second.output()).not.toContain('created topics');
    const again = endpointsOf(dataDir);
    expect(await countDecisions(again.database.url)).toBe(100);
    const live = processesOf(again);
    second.kill('SIGINT');
    expect(await second.exited).toBe(0);
    expect(second.output()).toMatch(/stopped in \d\.\d s; data kept in/);
    expect(live.filter(isAlive)).toEqual([]);
    expect(existsSync(join(dataDir, 'run', 'endpoints.json'))).toBe(false);
  }, 600_000);

  it('produces nothing at the disk limit, loudly, and goes on by itself when there is room', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'events.jsonl');
    const ballast = join(folder, 'data', 'ballast');
    writeFileSync(file, Array.from({ length: 40 }, (_, n) => order(n)).join('\n'));
    const run = up(join(folder, 'data'), '--events', file, '--rate', '1', '--disk-max', '1GB');
    await says(run, /Headrace is up/);
    for (let i = 0; i < 11; i++) appendFileSync(ballast, Buffer.alloc(100_000_000, 1));
    await says(run, /!!! DISK LIMIT: .* takes 1\.\d GB, more than --disk-max 1\.0 GB \(ballast 1\.1 GB, /);
    await says(run, /!!! Nothing is produced until it takes less than 900\.0 MB/);
    rmSync(ballast);
    await says(run, /there is room again, and events are produced again/);
    await says(run, /done, 40 events taken, 0 refused/);
    run.kill('SIGTERM');
    expect(await run.exited).toBe(0);
  }, 300_000);
});

describe('headrace up whose data folder is deleted', () => {
  it('says so, stops everything, and fails', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    const run = up(dataDir, '--no-generator');
    await says(run, /Headrace is up/);
    const endpoints = endpointsOf(dataDir);
    const processes = processesOf(endpoints);
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
    killWorker(endpoints);
    await says(run, /stopped in/);
    expect(await run.exited).toBe(1);
    expect(run.output()).toContain(`headrace: the data folder ${dataDir} cannot be written any more (`);
    expect(run.output()).not.toContain('    at ');
    expect(processes.filter(isAlive)).toEqual([]);
  }, 300_000);
});

describe('headrace up refuses in one sentence', () => {
  it('a reset that it cannot ask about', () => {
    const dataDir = join(temporaryFolder(), 'data');
    mkdirSync(dataDir);
    expect(refused('--data-dir', dataDir, '--reset')).toContain(
      '--reset asks before it deletes, and there is no terminal to ask on: add --yes',
    );
  });

  it('an unknown pipeline, a missing folder, a missing file', () => {
    const dataDir = join(temporaryFolder(), 'data');
    expect(refused('--data-dir', dataDir, '--pipelines', pipelines, '--pipeline', 'nothing')).toMatch(
      /unknown pipeline "nothing": .* has orders/,
    );
    expect(refused('--data-dir', dataDir, '--pipelines', '/nonexistent')).toMatch(
      /no folder \/nonexistent; check HEADRACE_PIPELINES_DIR or --pipelines/,
    );
    expect(refused('--data-dir', dataDir, '--pipelines', pipelines, '--events', '/nonexistent.jsonl')).toMatch(
      /--events \/nonexistent\.jsonl cannot be read/,
    );
  });

  it("a server of the user's own that does not answer, before anything is started, and says nothing else", () => {
    const refusedWith = (own: NodeJS.ProcessEnv) =>
      spawnSync(
        process.execPath,
        [program, 'up', '--pipelines', pipelines, '--data-dir', join(temporaryFolder(), 'data')],
        { env: { ...env, ...own }, encoding: 'utf8', timeout: 120_000 },
      );
    const kafka = refusedWith({ KAFKA_BROKERS: '127.0.0.1:1' });
    expect(kafka).toMatchObject({ status: 1, stdout: '' });
    expect(kafka.stderr).toMatch(
      /^headrace: no Kafka answers at 127\.0\.0\.1:1; check KAFKA_BROKERS and its TLS and SASL settings \(.*\)\n$/,
    );
    const temporal = refusedWith({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(temporal).toMatchObject({ status: 1, stdout: '' });
    expect(temporal.stderr).toMatch(
      /^headrace: no Temporal server answers at 127\.0\.0\.1:1; check TEMPORAL_ADDRESS \(.*\)\n$/,
    );
    const database = refusedWith({ DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/db' });
    expect(database).toMatchObject({ status: 1, stdout: '' });
    expect(database.stderr).toMatch(/^headrace: .*DATABASE_URL.*\n$/);
    expect(database.stderr).not.toContain('secret');
  });

  it('a data folder of somebody else', () => {
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'thesis.txt'), '');
    expect(refused('--data-dir', dataDir)).toMatch(/is not empty and no data folder of Headrace/);
  });

  it('a data folder where none can be', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    expect(refused('--data-dir', join(file, 'data'))).toBe(
      `headrace: data folder ${join(file, 'data')} cannot be used: ${file} is no folder. Choose another with --data-dir or HEADRACE_DATA_DIR\n`,
    );
    if (platform() === 'linux')
      expect(refused('--data-dir', '/proc/nothing/data')).toMatch(
        /cannot be used: no folder can be made there\. Choose/,
      );
  });

  it('options that cannot be', () => {
    expect(refused('--rate', '0')).toMatch(/events per second above 0/);
    expect(refused('--disk-max', 'lots')).toMatch(/such as 5GB/);
    expect(refused('--nonsense')).toMatch(/unknown option '--nonsense'/);
  });
});
