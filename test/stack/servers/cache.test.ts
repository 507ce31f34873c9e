import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cacheEntry } from '../../../stack/servers/cache.ts';
import { acquireLock, LockedError } from '../../../stack/servers/lock.ts';
import { temporaryFolder, until } from './trial.ts';

const lockSource = fileURLToPath(new URL('../../../stack/servers/lock.ts', import.meta.url));
const cacheSource = fileURLToPath(new URL('../../../stack/servers/cache.ts', import.meta.url));

function script(code: string): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('a lock', () => {
  it('refuses a second holder and names the first', () => {
    const path = join(temporaryFolder(), 'x.lock');
    const lock = acquireLock(path);
    expect(() => acquireLock(path)).toThrow(LockedError);
    expect(() => acquireLock(path)).toThrow(`held by process ${process.pid}`);
    lock.release();
    acquireLock(path).release();
    expect(existsSync(path)).toBe(false);
  });

  it('of a killed process does not count', async () => {
    const path = join(temporaryFolder(), 'x.lock');
    const holder = script(
      `const { acquireLock } = await import(${JSON.stringify(lockSource)}); acquireLock(${JSON.stringify(path)}); setInterval(() => {}, 1000);`,
    );
    await until(() => existsSync(path), 'other process holds the lock');
    expect(() => acquireLock(path)).toThrow(`held by process ${holder.pid}`);
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    acquireLock(path).release();
  });

  it('of an earlier process with a number of today does not count', () => {
    const path = join(temporaryFolder(), 'x.lock');
    writeFileSync(path, JSON.stringify({ pid: process.pid, startMark: 'another start' }));
    acquireLock(path).release();
  });
});

describe('a cache entry', () => {
  it('is made once and then found', async () => {
    const cacheDir = join(temporaryFolder(), 'cache');
    let made = 0;
    const get = () =>
      cacheEntry({
        cacheDir,
        server: 'kafka',
        entry: 'thing-1',
        fill: async (folder) => {
          made += 1;
          writeFileSync(join(folder, 'file'), 'content');
        },
      });
    const path = await get();
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('content');
    expect(await get()).toBe(path);
    expect(made).toBe(1);
    expect(readdirSync(cacheDir)).toEqual(['thing-1']);
  });

  it('names the setting when its folder cannot be made', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const made = cacheEntry({
      cacheDir: join(file, 'cache'),
      server: 'kafka',
      entry: 'x',
      fill: () => Promise.resolve(),
    });
    await expect(made).rejects.toThrow(
      /cache folder .* cannot be used \(.*file is no folder\): choose another with HEADRACE_CACHE_DIR/,
    );
  });

  it('leaves nothing behind when making it fails, and can be made afterwards', async () => {
    const cacheDir = temporaryFolder();
    const entry = { cacheDir, server: 'kafka', entry: 'thing-1' } as const;
    await expect(cacheEntry({ ...entry, fill: () => Promise.reject(new Error('no network')) })).rejects.toThrow(
      'no network',
    );
    expect(readdirSync(cacheDir)).toEqual([]);
    await cacheEntry({ ...entry, fill: async () => undefined });
    expect(readdirSync(cacheDir)).toEqual(['thing-1']);
  });

  it('removes what a crashed maker left', async () => {
    const cacheDir = temporaryFolder();
    mkdirSync(join(cacheDir, 'thing-1.partial-999999'));
    writeFileSync(join(cacheDir, 'thing-1.lock'), JSON.stringify({ pid: 999_999_999, startMark: 'dead' }));
    await cacheEntry({ cacheDir, server: 'kafka', entry: 'thing-1', fill: async () => undefined });
    expect(readdirSync(cacheDir)).toEqual(['thing-1']);
  });

  it('is made by one of several processes while the others wait', async () => {
    const folder = temporaryFolder();
    const log = join(folder, 'log');
    writeFileSync(log, '');
    const makers = Array.from({ length: 4 }, () =>
      script(`
      import { appendFileSync } from 'node:fs';
      const { cacheEntry } = await import(${JSON.stringify(cacheSource)});
      await cacheEntry({ cacheDir: ${JSON.stringify(join(folder, 'cache'))}, server: 'kafka', entry: 'thing-1', fill: async () => {
        appendFileSync(${JSON.stringify(log)}, 'begin ');
        await new Promise((resolve) => setTimeout(resolve, 300));
        appendFileSync(${JSON.stringify(log)}, 'end ');
      } });
      appendFileSync(${JSON.stringify(log)}, 'have ');
    `),
    );
    const codes = await Promise.all(makers.map((maker) => new Promise((resolve) => maker.once('exit', resolve))));
    expect(codes).toEqual([0, 0, 0, 0]);
    expect(readFileSync(log, 'utf8')).toBe('begin end have have have have ');
    expect(readdirSync(join(folder, 'cache'))).toEqual(['thing-1']);
  }, 60_000);
});
