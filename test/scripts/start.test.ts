import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
// @ts-expect-error -- plain JavaScript: it runs before there is a compiler
import { describeSwallowed, swallowedFlags } from '../../scripts/swallowed-flags.mjs';
// @ts-expect-error -- plain JavaScript
import { describeTotals, totalsOf } from '../../scripts/totals.mjs';
import { pathWith, prints } from '../stack/servers/programs.ts';
import { temporaryFolder } from '../stack/servers/trial.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a program of ours with only these programs on PATH; `programs` are what they print. */
function runWith(script: string, programs: Record<string, string>, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const PATH = pathWith(Object.fromEntries(Object.entries(programs).map(([name, output]) => [name, prints(output)])));
  return spawnSync(process.execPath, [join(root, script), ...args], {
    encoding: 'utf8',
    env: { PATH, HOME: temporaryFolder(), HEADRACE_CACHE_DIR: temporaryFolder(), ...env },
    timeout: 60_000,
  });
}

const java = 'openjdk version "17.0.15" 2025-04-15';

describe('npm start', () => {
  it.each([
    ['npm start', 'scripts/start.mjs', []],
    ['headrace up', 'cli/headrace.mjs', ['up']],
  ])('and what it stands for name everything that is missing at once: %s', (_, script, args) => {
    const { status, stdout, stderr } = runWith(script, { java: 'openjdk version "11.0.2" 2019-01-15' }, args, {
      TEMPORAL_ADDRESS: 't:1',
    });
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^Headrace needs 2 things that this machine does not have:\n/);
    expect(stderr).toMatch(/Java 17 or newer, for Kafka \(this is 11\.0\.2\)[^]*apt install openjdk-17/);
    expect(stderr).toMatch(/Maven, which fetches Kafka[^]*apt install maven/);
    expect(stderr).not.toContain('    at ');
  });

  it('asks for nothing that external addresses replace', () => {
    const { stdout } = runWith('scripts/start.mjs', {}, ['--help'], { KAFKA_BROKERS: 'b:1', TEMPORAL_ADDRESS: 't:1' });
    expect(stdout).toContain('Usage: headrace up');
    const { stderr } = runWith('scripts/start.mjs', {}, ['--rate', 'fast'], {
      KAFKA_BROKERS: 'b:1',
      TEMPORAL_ADDRESS: 't:1',
    });
    expect(stderr).toMatch(/--rate.*'fast'.*events per second above 0/);
  });

  it('refuses flags that npm swallowed and gives the right command', () => {
    const { status, stderr } = runWith('scripts/start.mjs', { java, mvn: 'x' }, ['500'], {
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
