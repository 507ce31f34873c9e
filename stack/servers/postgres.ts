import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { runCommand } from './command.ts';
import { choosePort, startOnFreePorts } from './ports.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { findPostgresHome } from './postgres-home.ts';
import type { PostgresHome } from './postgres-home.ts';
import { launch } from './process.ts';
import type { ManagedProcess } from './process.ts';
import { NotReadyError, waitUntilReady } from './ready.ts';
import { serverOf } from './types.ts';
import type { EmbeddedServer, StartOptions } from './types.ts';

export interface StartPostgresOptions extends StartOptions {
  /** From `preparePostgres`. */
  binaries: PostgresBinaries;
  /** The database that is created when missing. @default 'headrace' */
  database?: string;
  /** Told, a sentence each, of what lies elsewhere than asked for. */
  onNote?: (note: string) => void;
}

/** A running PostgreSQL. `databaseUrl` holds the password: it belongs in no log. */
export interface PostgresServer extends EmbeddedServer {
  databaseUrl: string;
}

interface Credentials {
  user: string;
  password: string;
}

const initTimeoutMs = 60_000;
const probeTimeoutMs = 2_000;
/** Back ends of a killed server notice within moments and let go of its shared memory; until then a start is refused. */
const leftoverAttemptsMax = 20;

/** Reads the generated account of this data folder, or generates it. */
function credentialsOf(dataDir: string): Credentials {
  const file = join(dataDir, 'credentials.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Credentials;
  const credentials = { user: 'headrace', password: randomBytes(24).toString('base64url') };
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(credentials), { mode: 0o600 });
  renameSync(draft, file);
  return credentials;
}

/** Creates the cluster folder, whole or not at all, and returns it. */
async function initialiseOnce(
  { dataDir, env }: StartPostgresOptions,
  { binaries, runAs, folder }: PostgresHome,
  { user, password }: Credentials,
): Promise<string> {
  const cluster = join(folder, 'cluster');
  if (existsSync(cluster)) {
    // Another account may have run it the last time.
    runAs.give(cluster);
    return cluster;
  }
  for (const name of readdirSync(folder)) {
    if (name.startsWith('cluster.partial-')) rmSync(join(folder, name), { recursive: true, force: true });
  }
  const partial = join(folder, `cluster.partial-${process.pid}`);
  const passwordFile = join(folder, `password.${process.pid}`);
  mkdirSync(partial, { mode: 0o700 });
  runAs.give(partial);
  try {
    writeFileSync(passwordFile, password, { mode: 0o600 });
    runAs.give(passwordFile);
    const { command, args } = runAs.wrap(binaries.initdb, [
      `--pgdata=${partial}`,
      '--auth=scram-sha-256',
      `--username=${user}`,
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
      '--no-sync',
    ]);
    await runCommand({ command, args, timeoutMs: initTimeoutMs, uid: runAs.uid, gid: runAs.gid, env, cwd: dataDir });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(partial, cluster);
  return cluster;
}

async function withClient<T>(connectionString: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: probeTimeoutMs, query_timeout: 30_000 });
  // A connection that breaks between queries would otherwise end this process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Creates the database unless it is there. */
async function createDatabase(adminUrl: string, database: string): Promise<boolean> {
  return withClient(adminUrl, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(database)}`);
    return true;
  });
}

interface Launch {
  options: StartPostgresOptions;
  home: PostgresHome;
  cluster: string;
  port: number;
}

function launchServer({ options, home, cluster, port }: Launch): Promise<ManagedProcess> {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: '64MB',
    max_wal_size: '256MB',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { runAs, binaries } = home;
  const { command, args } = runAs.wrap(binaries.postgres, ['-D', cluster, '-p', String(port), ...flags]);
  return launch({
    name: 'postgres',
    command,
    args,
    uid: runAs.uid,
    gid: runAs.gid,
    env: options.env,
    logFile: join(options.dataDir, 'postgres.log'),
    onLaunch: options.onLaunch,
    cwd: options.dataDir,
    // A fast shutdown; SIGTERM would wait for every client to leave by itself.
    stopSignal: 'SIGINT',
  });
}

async function launchAndWait(what: Launch, adminUrl: string): Promise<ManagedProcess> {
  const deadline = Date.now() + (what.options.readyTimeoutMs ?? 60_000);
  for (let attempt = 1; ; attempt += 1) {
    const process = await launchServer(what);
    try {
      await waitUntilReady({
        process,
        timeoutMs: Math.max(1, deadline - Date.now()),
        // Part of the probe, so that a machine that stalls while it is created gets another try.
        probe: () => createDatabase(adminUrl, what.options.database ?? 'headrace'),
      });
      return process;
    } catch (error) {
      await process.stop();
      const leftover =
        error instanceof NotReadyError && /shared memory block|is still in use|postmaster\.pid/.test(error.message);
      if (!leftover || attempt >= leftoverAttemptsMax || Date.now() >= deadline) throw error;
    }
  }
}

/** Starts PostgreSQL on the data folder, on loopback only, creates the database and waits until it answers. */
export async function startPostgres(given: StartPostgresOptions): Promise<PostgresServer> {
  // The server changes its folder, so a relative path would mean another one to it.
  const options = { ...given, dataDir: resolve(given.dataDir) };
  const { dataDir } = options;
  mkdirSync(dataDir, { recursive: true });
  const credentials = credentialsOf(dataDir);
  const home = await findPostgresHome(options);
  const cluster = await initialiseOnce(options, home, credentials);
  return startOnFreePorts('postgres', options.port, () => startOnce({ options, home, cluster }, credentials));
}

async function startOnce(what: Omit<Launch, 'port'>, credentials: Credentials): Promise<PostgresServer> {
  const {
    options: { port: fixedPort, preferredPort, database = 'headrace' },
  } = what;
  const port = fixedPort ?? (await choosePort(preferredPort));
  const address = `127.0.0.1:${port}`;
  const urlOf = (name: string): string =>
    `postgresql://${credentials.user}:${credentials.password}@${address}/${name}?sslmode=disable`;
  const process = await launchAndWait({ ...what, port }, urlOf('postgres'));
  return { ...serverOf('postgres', address, process), databaseUrl: urlOf(database) };
}
