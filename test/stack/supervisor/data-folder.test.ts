import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { identityOf, isAlive } from '../../../stack/servers/identity.ts';
import {
  diskUseBytes,
  emptyDataFolder,
  endLeftovers,
  largestParts,
  openDataFolder,
  RunState,
  watchDisk,
  writeEndpoints,
} from '../../../stack/supervisor/index.ts';
import type { Endpoints } from '../../../stack/supervisor/index.ts';
import { checkFolder, recordParts } from '../../../stack/supervisor/index.ts';
import { temporaryFolder, until } from '../servers/trial.ts';

describe('the data folder', () => {
  it('is made, and refused to a second one while it is in use', () => {
    const root = join(temporaryFolder(), 'deep', 'data');
    const folder = openDataFolder(root);
    expect(() => openDataFolder(root)).toThrow(
      `data folder ${root} is in use by another Headrace (process ${process.pid})`,
    );
    folder.lock.release();
    openDataFolder(root).lock.release();
  });

  it('is never a folder of somebody else', () => {
    const root = temporaryFolder();
    writeFileSync(join(root, 'thesis.txt'), 'precious');
    expect(() => openDataFolder(root)).toThrow(/is not empty and no data folder of Headrace/);
    expect(readdirSync(root)).toEqual(['thesis.txt']);
  });

  it('names the setting when it cannot be made', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    expect(() => openDataFolder(join(file, 'data'))).toThrow(/cannot be used: .*--data-dir or HEADRACE_DATA_DIR/);
  });

  it('is emptied by a reset, but stays ours and locked', () => {
    const folder = openDataFolder(join(temporaryFolder(), 'data'));
    mkdirSync(join(folder.lakeDir, 'x'), { recursive: true });
    writeFileSync(folder.logFile('bridge'), 'old');
    emptyDataFolder(folder);
    expect(existsSync(folder.lakeDir)).toBe(false);
    expect(existsSync(folder.logFile('bridge'))).toBe(false);
    expect(() => openDataFolder(folder.root)).toThrow(/in use/);
    folder.lock.release();
    openDataFolder(folder.root).lock.release();
  });

  it('knows the room it takes, holes not counted', async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'a', 'b'), { recursive: true });
    writeFileSync(join(root, 'a', 'b', 'data'), Buffer.alloc(300_000, 1));
    writeFileSync(join(root, 'holes'), '');
    truncateSync(join(root, 'holes'), 50_000_000);
    const bytes = await diskUseBytes(root);
    expect(bytes).toBeGreaterThanOrEqual(300_000);
    expect(bytes).toBeLessThan(1_000_000);
    expect((await largestParts(root)).map((part) => part.name)).toEqual(['a', 'holes']);
    expect(await diskUseBytes(join(root, 'missing'))).toBe(0);
  });

  it('counts what a database of SQLite has free inside as room', async () => {
    const root = temporaryFolder();
    const header = Buffer.alloc(100);
    header.write('SQLite format 3\0', 'latin1');
    header.writeUInt16BE(4_096, 16);
    header.writeUInt32BE(100, 36);
    writeFileSync(join(root, 'a.db'), Buffer.concat([header, Buffer.alloc(600_000, 1)]));
    writeFileSync(join(root, 'no.db'), Buffer.alloc(50_000, 1));
    writeFileSync(join(root, 'empty.db'), '');
    const bytes = await diskUseBytes(root);
    expect(bytes).toBeGreaterThanOrEqual(650_000 - 409_600);
    expect(bytes).toBeLessThan(650_000 - 409_600 + 50_000);
  });

  it('tells when it reaches its limit and when it has room again, once each, and cuts long logs', async () => {
    const root = temporaryFolder();
    const log = join(root, 'a.log');
    writeFileSync(log, Buffer.alloc(17 * 1024 * 1024, 1));
    const told: number[] = [];
    const watch = watchDisk({
      folder: root,
      bytesMax: 1_000_000,
      intervalMs: 10,
      logFiles: () => [log],
      onError: (error) => {
        throw error;
      },
      onLimit: async (bytes) => void told.push(bytes),
      onRoom: async (bytes) => void told.push(-bytes),
    });
    onTestFinished(() => watch.stop());
    await until(() => existsSync(`${log}.1`), 'log cut');
    expect(told).toEqual([]);
    writeFileSync(join(root, 'big'), Buffer.alloc(1_200_000, 1));
    await until(() => told.length > 0, 'limit told');
    const seen = watch.bytes();
    writeFileSync(join(root, 'bigger'), Buffer.alloc(400_000, 1));
    await until(() => watch.bytes() > seen, 'another look');
    expect(told).toHaveLength(1);
    // Less than the limit is not yet room.
    writeFileSync(join(root, 'big'), Buffer.alloc(880_000, 1));
    rmSync(join(root, 'bigger'));
    await until(() => watch.bytes() < 1_000_000, 'below the limit');
    expect(told).toHaveLength(1);
    rmSync(join(root, 'big'));
    await until(() => told.length > 1, 'room told');
    expect(told[1]).toBeLessThan(0);
    writeFileSync(join(root, 'big'), Buffer.alloc(1_200_000, 1));
    await until(() => told.length > 2, 'limit told again');
    expect(told[2]).toBeGreaterThan(1_000_000);
  });

  it('tells its limit and its room again at the next look when that failed', async () => {
    const root = temporaryFolder();
    const big = join(root, 'big');
    writeFileSync(big, Buffer.alloc(1_200_000, 1));
    const told: string[] = [];
    const failures: unknown[] = [];
    /** Fails the first time. */
    const tell = async (what: string) => {
      const isFirst = !told.includes(what);
      told.push(what);
      if (isFirst) throw new Error(`${what} failed`);
    };
    const watch = watchDisk({
      folder: root,
      bytesMax: 1_000_000,
      intervalMs: 10,
      logFiles: () => [],
      onError: (error) => failures.push(error),
      onLimit: () => tell('limit'),
      onRoom: () => tell('room'),
    });
    onTestFinished(() => watch.stop());
    await until(() => told.length > 1, 'limit told again');
    rmSync(big);
    await until(() => told.length > 3, 'room told again');
    expect(told).toEqual(['limit', 'limit', 'room', 'room']);
    expect(failures).toEqual([new Error('limit failed'), new Error('room failed')]);
  });
});

describe('the parts of a data folder', () => {
  const names = ['servers/temporal', 'servers/kafka', 'servers/postgres', 'features'];

  /** A folder in which everything has run once. */
  function used(): string {
    const folder = openDataFolder(join(temporaryFolder(), 'data'));
    for (const name of names) mkdirSync(join(folder.root, name), { recursive: true });
    recordParts(folder.root);
    folder.lock.release();
    return folder.root;
  }

  it('are wanted once they were there, wherever the folder is moved', () => {
    const root = used();
    recordParts(root);
    checkFolder(root);
    const moved = join(temporaryFolder(), 'elsewhere');
    renameSync(root, moved);
    checkFolder(moved);
    openDataFolder(moved).lock.release();
    checkFolder(moved);
  });

  it.each(names)('are named when they are missing, empty, or of another folder: %s', (name) => {
    const root = used();
    rmSync(join(root, name), { recursive: true });
    const sentence = (what: string) =>
      `data folder ${root} is not whole: ${name} ${what}. Put back what belongs there, or begin from scratch with --reset`;
    expect(() => checkFolder(root)).toThrow(sentence('is missing'));
    mkdirSync(join(root, name));
    expect(() => checkFolder(root)).toThrow(sentence('is not the one that was there'));
    recordParts(root);
    writeFileSync(join(root, name, 'part-of'), readFileSync(join(used(), name, 'part-of')));
    expect(() => checkFolder(root)).toThrow(sentence('belongs to another data folder'));
  });

  it("are not wanted of a server of the user's own, and not after a reset", () => {
    const root = used();
    rmSync(join(root, 'servers/kafka'), { recursive: true });
    checkFolder(root, ['servers/kafka']);
    const folder = openDataFolder(root);
    emptyDataFolder(folder);
    folder.lock.release();
    checkFolder(root);
  });

  it('tell a folder of 0.1, which a reset makes ours', () => {
    const root = join(temporaryFolder(), 'data');
    mkdirSync(root);
    writeFileSync(
      join(root, 'headrace-data-folder'),
      'Data of Headrace. `npm start -- --reset` empties this folder.\n',
    );
    const folder = openDataFolder(root);
    expect(() => checkFolder(root)).toThrow(
      `data folder ${root} was made by another version of Headrace (0.1), and this one cannot go on with it: begin from scratch with --reset, choose another with --data-dir, or go on with the version that made it`,
    );
    emptyDataFolder(folder);
    folder.lock.release();
    checkFolder(root);
  });
});

describe('leftovers of a killed supervisor', () => {
  function child(script: string) {
    const started = spawn(process.execPath, ['-e', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void started.kill('SIGKILL'));
    return new Promise<number>((resolve) => started.stdout.once('data', () => resolve(started.pid as number)));
  }

  it('are ended, those that ignore the request too', async () => {
    const file = join(temporaryFolder(), 'processes.json');
    const state = new RunState(file);
    const polite = identityOf(await child(`console.log(1); setInterval(() => {}, 1000)`));
    const deaf = identityOf(
      await child(`process.on('SIGTERM', () => {}); console.log(1); setInterval(() => {}, 1000)`),
    );
    state.record('polite', polite.pid);
    state.record('deaf', deaf.pid);
    expect((await endLeftovers(file, 200)).toSorted()).toEqual(['deaf', 'polite']);
    expect([polite, deaf].map(isAlive)).toEqual([false, false]);
    expect(existsSync(file)).toBe(false);
    expect(await endLeftovers(file)).toEqual([]);
  });

  it('are never mistaken for a stranger with the same number', async () => {
    const file = join(temporaryFolder(), 'processes.json');
    const stranger = identityOf(await child(`console.log(1); setInterval(() => {}, 1000)`));
    writeFileSync(file, JSON.stringify([{ service: 'kafka', pid: stranger.pid, startMark: 'another start' }]));
    expect(await endLeftovers(file, 200)).toEqual([]);
    expect(isAlive(stranger)).toBe(true);
  });

  it('are forgotten when they are gone', async () => {
    const file = join(temporaryFolder(), 'processes.json');
    const state = new RunState(file);
    state.record('a', process.pid);
    state.record('a', undefined);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([]);
    writeFileSync(file, '[{"service":');
    expect(await endLeftovers(file)).toEqual([]);
  });
});

describe('endpoints', () => {
  it('are readable by their owner only, because the password is in them', async () => {
    const file = join(temporaryFolder(), 'endpoints.json');
    writeEndpoints(file, { version: 1, dataDir: '/data' } as Endpoints);
    const { statSync } = await import('node:fs');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ version: 1, dataDir: '/data' });
  });
});
