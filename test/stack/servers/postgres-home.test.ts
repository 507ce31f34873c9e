import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defaultCacheDir,
  preparePostgres,
  removePostgresElsewhere,
  startPostgres,
} from '../../../stack/servers/index.ts';
import type { PostgresBinaries } from '../../../stack/servers/index.ts';
import { stopAfterTest, temporaryFolder } from './trial.ts';

/** Everything as a root with a home of mode 0700 and a umask of 077 has it: programs and data that no other account can reach. */
async function privateHome(): Promise<{ binaries: PostgresBinaries; dataDir: string }> {
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const home = join(temporaryFolder(), 'root');
  mkdirSync(home);
  const { postgres } = await preparePostgres({ cacheDir: defaultCacheDir(process.env) });
  const native = join(home, 'native');
  cpSync(dirname(dirname(postgres)), native, { recursive: true, verbatimSymlinks: true });
  for (const name of ['postgres', 'initdb']) chmodSync(join(native, 'bin', name), 0o700);
  const dataDir = join(home, 'data');
  onTestFinished(() => removePostgresElsewhere(dataDir));
  return { binaries: { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') }, dataDir };
}

/** An environment in which some programs are there and do not work, as where the kernel forbids what they do. */
function without(programs: readonly string[]): NodeJS.ProcessEnv {
  const folder = temporaryFolder();
  for (const name of programs)
    writeFileSync(join(folder, name), '#!/bin/sh\necho forbidden >&2\nexit 1\n', { mode: 0o755 });
  return { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` };
}

async function count(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query('create table if not exists starts (n int)');
    await client.query('insert into starts values (1)');
    return (await client.query('select from starts')).rowCount!;
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses to run as root, and only root has folders that the accounts it may use instead cannot enter. */
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('PostgreSQL started by root, from folders that nobody else may enter', () => {
  it('runs there and keeps its data there, whatever way is open at this start and was at the last one', async () => {
    const { binaries, dataDir } = await privateHome();
    const notes: string[] = [];
    for (const [starts, forbidden] of [[], ['unshare'], []].entries()) {
      const server = stopAfterTest(
        await startPostgres({ binaries, dataDir, env: without(forbidden), onNote: (note) => notes.push(note) }),
      );
      expect(await count(server.databaseUrl)).toBe(starts + 1);
      await server.stop();
    }
    expect(existsSync(join(dataDir, 'cluster', 'PG_VERSION'))).toBe(true);
    // Where the kernel has no user namespaces only the programs have to be elsewhere.
    expect(notes).toEqual([
      expect.stringMatching(/^PostgreSQL runs as .* from .*: that account cannot reach .*initdb|postgres/),
    ]);
  }, 60_000);

  it('keeps its data elsewhere, and says where, when nothing else is possible; a reset removes it there', async () => {
    const { binaries, dataDir } = await privateHome();
    const notes: string[] = [];
    for (const starts of [1, 2]) {
      const server = stopAfterTest(
        await startPostgres({
          binaries,
          dataDir,
          env: without(['unshare', 'setpriv']),
          onNote: (note) => notes.push(note),
        }),
      );
      expect(await count(server.databaseUrl)).toBe(starts);
      await server.stop();
    }
    const elsewhere = realpathSync(join(dataDir, 'elsewhere'));
    expect(notes[1]).toContain(`keeps its data in ${elsewhere}: that account cannot enter ${dataDir}`);
    expect(statSync(join(elsewhere, 'cluster')).mode & 0o777).toBe(0o700);
    removePostgresElsewhere(dataDir);
    expect(existsSync(elsewhere)).toBe(false);
  }, 60_000);

  it('says what each way failed with when there is none', async () => {
    const { binaries, dataDir } = await privateHome();
    await (await startPostgres({ binaries, dataDir })).stop();
    const refused = startPostgres({ binaries, dataDir, env: without(['unshare', 'setpriv']) });
    await expect(refused).rejects.toThrow(
      /^PostgreSQL cannot run here: [^]*--data-dir[^]*DATABASE_URL[^]*as .*: it cannot write in [^]*in a user namespace, .*: forbidden/,
    );
  }, 60_000);
});
