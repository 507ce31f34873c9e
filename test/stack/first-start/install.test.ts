import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
// @ts-expect-error -- plain JavaScript: it runs before there is a compiler
import { fetchServers } from '../../../stack/first-start/fetch-servers.mjs';
// @ts-expect-error -- plain JavaScript
import { describeInstall, expectedFolders, isInstalled } from '../../../stack/first-start/install.mjs';
// @ts-expect-error -- plain JavaScript
import { runNpm } from '../../../stack/first-start/npm.mjs';
import lock from '../../../package-lock.json' with { type: 'json' };
import { closureOf, importsOf, root } from '../../source-tree.ts';
import { pathWith } from '../servers/programs.ts';
import { temporaryFolder } from '../servers/trial.ts';

describe('installed packages', () => {
  it('are compared with the lock file', () => {
    const folder = temporaryFolder();
    const write = (file: string, packages: object) => writeFileSync(join(folder, file), JSON.stringify({ packages }));
    const wanted = {
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0', optional: true },
      'node_modules/@headrace/ours': { resolved: 'ours', link: true },
      ours: {},
    };
    write('package-lock.json', wanted);
    expect(isInstalled(folder)).toBe(false);
    mkdirSync(join(folder, 'node_modules/@headrace'), { recursive: true });
    write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.0.0' } });
    expect(isInstalled(folder), 'a link is missing').toBe(false);
    mkdirSync(join(folder, 'ours'));
    symlinkSync('../../ours', join(folder, 'node_modules/@headrace/ours'));
    expect(isInstalled(folder)).toBe(true);
    write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.0.1' } });
    expect(isInstalled(folder)).toBe(false);
    write('node_modules/.package-lock.json', { 'node_modules/b': { version: '2.0.0' } });
    expect(isInstalled(folder)).toBe(false);
  });
});

describe('the progress of an installation', () => {
  it('counts what this machine will get', () => {
    const packages = {
      '': {},
      'node_modules/a': {},
      'node_modules/a/node_modules/b': {},
      'node_modules/ours': { link: true },
      'inference-client': {},
      'node_modules/linux': { os: ['linux'], cpu: ['x64', 'arm64'] },
      'node_modules/mac': { os: ['darwin'] },
      'node_modules/not-windows': { os: ['!win32'] },
      'node_modules/musl': { optional: true, os: ['linux'], libc: ['musl'] },
      'node_modules/wasm': { optional: true },
      'node_modules/other-cpu': { os: ['linux'], cpu: ['s390x'] },
    };
    expect(expectedFolders(packages, { os: 'linux', cpu: 'x64' })).toEqual([
      'node_modules/a',
      'node_modules/a/node_modules/b',
      'node_modules/linux',
      'node_modules/not-windows',
    ]);
    expect(expectedFolders(packages, { os: 'win32', cpu: 'x64' })).toEqual([
      'node_modules/a',
      'node_modules/a/node_modules/b',
    ]);
  });
  it('says what npm is doing and since when', () => {
    expect(describeInstall(0, 420, 3_000)).toBe('npm packages: asking for about 420, 3 s');
    expect(describeInstall(210, 420, 33_000)).toBe('npm packages: downloading and unpacking, 210 of about 420, 33 s');
    expect(describeInstall(420, 420, 61_000)).toMatch(/^npm packages: all are unpacked, running .*, 61 s$/);
  });
});

describe('npm', () => {
  it('that does not reach its registry is told in one sentence', async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'package.json'), '{"dependencies":{"tsx":"1.0.0"}}');
    const env = {
      ...process.env,
      npm_config_cache: temporaryFolder(),
      npm_config_registry: 'http://127.0.0.1:1',
      npm_config_fetch_retries: '0',
    };
    await expect(runNpm(['install'], { cwd, env })).rejects.toThrow(
      /^the npm packages cannot be installed because npm does not reach its registry: connect this machine, or name a registry that it reaches \(npm config set registry\)$/,
    );
  }, 60_000);
});

describe('what runs before the packages are there', () => {
  it.each(['stack/first-start/make-ready.mjs', 'stack/servers/main.ts'])(
    '%s imports nothing that is not in Node',
    (entry) => {
      const reached = [...closureOf([entry])];
      expect(reached.length).toBeGreaterThan(4);
      expect(
        reached.flatMap((path) =>
          importsOf(path)
            .filter(({ specifier, typeOnly }) => !typeOnly && !/^(\.|node:)/.test(specifier))
            .map(({ specifier }) => `${path}: ${specifier}`),
        ),
      ).toEqual([]);
    },
  );

  it('gets the servers with a tsx of its own, and ends with their sentence', async () => {
    const cache = temporaryFolder();
    const modules = join(cache, `tsx-${lock.packages['node_modules/tsx'].version}`, 'node_modules');
    mkdirSync(modules, { recursive: true });
    symlinkSync(join(root, 'node_modules', 'tsx'), join(modules, 'tsx'));
    const env = { PATH: pathWith({}), HEADRACE_CACHE_DIR: cache };
    await expect(fetchServers(['kafka'], { env, cache, signal: new AbortController().signal })).rejects.toThrow(
      /^Kafka comes from Maven Central and mvn is not installed: install Maven, or set KAFKA_BROKERS to a Kafka of your own$/,
    );
  }, 60_000);

  it('leaves the servers to whoever comes later when there is no tsx', async () => {
    const env = {
      ...process.env,
      npm_config_cache: temporaryFolder(),
      npm_config_registry: 'http://127.0.0.1:1',
      npm_config_fetch_retries: '0',
    };
    await expect(
      fetchServers(['kafka'], { env, cache: temporaryFolder(), signal: new AbortController().signal }),
    ).resolves.toBeUndefined();
  }, 60_000);
});
