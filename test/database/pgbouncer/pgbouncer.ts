import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import { defaultCacheDir, freePort } from '../../../stack/servers/index.ts';
import { until } from '../../stack/servers/trial.ts';

interface Program {
  path: string;
  env: NodeJS.ProcessEnv;
}

const setUpTimeoutMs = 120_000;

function findProgram(): Program | undefined {
  const installed = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
    .map((folder) => join(folder, 'pgbouncer'))
    .find(existsSync);
  if (installed !== undefined) return { path: installed, env: process.env };
  const root = join(defaultCacheDir(process.env), 'pgbouncer', 'root');
  const path = join(root, 'usr', 'sbin', 'pgbouncer');
  if (!existsSync(path)) return undefined;
  const libraries = join(root, 'usr', 'lib');
  const folders = existsSync(libraries) ? readdirSync(libraries).map((name) => join(libraries, name)) : [];
  return {
    path,
    env: {
      ...process.env,
      LD_LIBRARY_PATH: [...folders, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(delimiter),
    },
  };
}

/** Debian's PgBouncer; or why there is none on this machine. Where CI runs there has to be one. */
export function preparePgBouncer(): Program | string {
  const there = findProgram();
  if (there) return there;
  try {
    const env = { ...process.env, HEADRACE_CACHE_DIR: defaultCacheDir(process.env) };
    execFileSync('sh', [join(import.meta.dirname, 'setup.sh')], { env, timeout: setUpTimeoutMs, stdio: 'pipe' });
    return findProgram()!;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return `no PgBouncer: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`;
  }
}

/** A running PgBouncer in transaction mode, otherwise as it comes, with few connections for many clients. */
export interface PgBouncer {
  /** The same database through it. */
  urlOf(databaseUrl: string): string;
  stop(): Promise<void>;
}

/** Starts PgBouncer before the server of that URL. */
export async function startPgBouncer({ path, env }: Program, databaseUrl: string): Promise<PgBouncer> {
  const { hostname, port: serverPort, username, password } = new URL(databaseUrl);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'headrace-pgbouncer-'));
  // It refuses to run as root, and another account must read its settings.
  chmodSync(folder, 0o755);
  const settings = join(folder, 'pgbouncer.ini');
  writeFileSync(
    settings,
    `[databases]
* = host=${hostname} port=${serverPort} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
`,
    { mode: 0o644 },
  );
  const log: string[] = [];
  const child = spawn(path, [...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), settings], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => log.push(String(data)));
  const exited = once(child, 'exit');
  const urlOf = (url: string) => Object.assign(new URL(url), { port: String(port) }).toString();
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(() => {
      if (child.exitCode !== null)
        throw new Error(`pgbouncer ended:\n${log.join('')}${readFileSync(settings, 'utf8')}`);
      return answers(urlOf(databaseUrl));
    }, 'PgBouncer');
    return { urlOf, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query('select 1')).rowCount === 1;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}
