import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
// @ts-expect-error -- plain JavaScript: it runs before there is a compiler
import { describeInstall, expectedFolders, isInstalled } from '../../scripts/install.mjs';
// @ts-expect-error -- plain JavaScript
import { cacheDir, isAtLeast } from '../../scripts/requirements.mjs';
// @ts-expect-error -- plain JavaScript
import { describeSwallowed, swallowedFlags } from '../../scripts/swallowed-flags.mjs';
// @ts-expect-error -- plain JavaScript
import { describeTotals, totalsOf } from '../../scripts/totals.mjs';
import { defaultCacheDir } from '../../stack/servers/index.ts';
import { temporaryFolder } from '../stack/servers/trial.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a script of ours with only these programs on PATH; `programs` are what they print. */
function runWith(script: string, programs: Record<string, string>, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const path = temporaryFolder();
  for (const [name, output] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\ncat >&2 <<'end'\n${output}\nend\n`);
    chmodSync(join(path, name), 0o755);
  }
  // The fake programs need `cat`; nothing else of the system may be found.
  writeFileSync(join(path, 'cat'), '#!/bin/sh\nwhile IFS= read -r line; do printf "%s\\n" "$line"; done\n');
  chmodSync(join(path, 'cat'), 0o755);
  return spawnSync(process.execPath, [join(root, 'scripts', script), ...args], {
    encoding: 'utf8',
    env: { PATH: path, HOME: temporaryFolder(), HEADRACE_CACHE_DIR: temporaryFolder(), ...env },
    timeout: 60_000,
  });
}

const java = 'openjdk version "17.0.15" 2025-04-15';

describe('npm start', () => {
  it('names everything that is missing at once, with how to get it', () => {
    const { status, stderr } = runWith('start.mjs', {
      java: 'openjdk version "11.0.2" 2019-01-15',
      go: 'go version go1.19.8 linux/amd64',
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/Java 17 or newer, for Kafka \(this is 11\.0\.2\)[^]*apt install openjdk-17/);
    expect(stderr).toMatch(/Maven, which fetches Kafka[^]*apt install maven/);
    // Open internet is a third way to a Temporal server; without it Go has to be recent enough.
    if (stderr.includes('3 things'))
      expect(stderr).toMatch(/a Temporal server: .*\(this is 1\.19\)[^]*TEMPORAL_ADDRESS/);
    expect(stderr).not.toContain('    at ');
  });

  it('asks for nothing that external addresses replace', () => {
    const { stdout } = runWith('start.mjs', {}, ['--help'], { KAFKA_BROKERS: 'b:1', TEMPORAL_ADDRESS: 't:1' });
    expect(stdout).toContain('Usage: headrace up');
    const { stderr } = runWith('start.mjs', {}, ['--rate', 'fast'], { KAFKA_BROKERS: 'b:1', TEMPORAL_ADDRESS: 't:1' });
    expect(stderr).toMatch(/--rate.*'fast'.*events per second above 0/);
  });

  it('refuses flags that npm swallowed and gives the right command', () => {
    const { status, stderr } = runWith('start.mjs', { java, mvn: 'x' }, ['500'], {
      npm_lifecycle_event: 'start',
      npm_config_reset: 'true',
      npm_config_rate: 'true',
    });
    expect(status).toBe(1);
    expect(stderr).toContain('npm start -- --reset --rate 500');
  });
});

describe('flags that npm swallowed', () => {
  it.each([
    [{}, ['--rate', '5'], undefined],
    [{ npm_config_cache: '/x', npm_config_yes: 'true' }, [], undefined],
    [{ npm_config_rate: '500' }, [], ['--rate', '500']],
    [{ npm_config_rate: 'true' }, ['500'], ['--rate', '500']],
    // Which was typed first nobody knows.
    [
      { npm_config_rate: 'true', npm_config_pipelines: 'true' },
      ['flows', '10'],
      ['--rate', '<rate>', '--pipelines', '<pipelines>'],
    ],
    [
      { npm_config_disk_max: '5GB', npm_config_yes: 'true', npm_config_reset: 'true' },
      [],
      ['--reset', '--disk-max', '5GB', '--yes'],
    ],
    [{ npm_config_generator: '' }, [], ['--no-generator']],
    [{ npm_config_events: 'true' }, ['a b.jsonl', '--pipeline'], ['--events', 'a b.jsonl', '--pipeline']],
  ])('%j with %j were meant as %j', (env, args, meant) => {
    expect(swallowedFlags(env, args)).toEqual(meant);
  });

  it('are quoted for a shell', () => {
    expect(describeSwallowed('npm start', ['--events', "it's a.jsonl"])).toContain(
      `npm start -- --events 'it'\\''s a.jsonl'`,
    );
    expect(describeSwallowed('npm start', ['--rate', '<rate>'])).toContain('npm start -- --rate <rate>');
  });
});

describe('requirements', () => {
  it('compare versions by number', () => {
    expect([
      isAtLeast('20.20.2', '20.20'),
      isAtLeast('20.9.0', '20.20'),
      isAtLeast('22.0.0', '20.20'),
      isAtLeast('17', '17'),
      isAtLeast('1.9', '17'),
    ]).toEqual([true, false, true, true, false]);
  });
  it('look for the cache where the servers do', () => {
    for (const env of [{}, { HEADRACE_CACHE_DIR: '/x' }, { XDG_CACHE_HOME: '/y' }])
      expect(cacheDir(env)).toBe(defaultCacheDir(env));
  });
});

describe('installed packages', () => {
  it('are compared with the lock file', () => {
    const folder = temporaryFolder();
    const write = (file: string, packages: object) => writeFileSync(join(folder, file), JSON.stringify({ packages }));
    const wanted = {
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0', optional: true },
      'inference-client': {},
    };
    write('package-lock.json', wanted);
    expect(isInstalled(folder)).toBe(false);
    mkdirSync(join(folder, 'node_modules'));
    write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.0.0' } });
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

describe('totals', () => {
  const test = (status: string) => ({ status });
  it('count tests, and files that could not be run', () => {
    const report = {
      testResults: [
        { status: 'passed', assertionResults: [test('passed'), test('skipped'), test('todo')] },
        { status: 'failed', assertionResults: [test('passed'), test('failed'), test('failed')] },
        { status: 'failed', assertionResults: [] },
      ],
    };
    expect(totalsOf(report, 1)).toEqual({ passed: 2, failed: 3, skipped: 2 });
  });
  it('never call a run good whose exit code was not', () => {
    expect(totalsOf({ testResults: [{ status: 'passed', assertionResults: [test('passed')] }] }, 1)).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
    });
    expect(totalsOf(undefined, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
  it('are told in the form that others read', () => {
    expect(describeTotals({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(describeTotals({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });
});
