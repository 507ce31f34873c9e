import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cpuMicrosOfTree, parseStat, parseStatusBytes, rssAnonBytes } from '../../bench/process-usage.ts';

test('fields of stat are counted behind the name, which may hold spaces and brackets', () => {
  const text = '4321 (a (very) odd name) S 17 4321 4321 0 -1 4194560 100 200 0 0 250 50 30 20 20 0 11 0 12345 1 2';
  expect(parseStat(text)).toEqual({ parent: 17, ownMicros: 3_000_000, endedChildrenMicros: 500_000 });
});

test('sizes of status are kB', () => {
  const text = 'Name:\tnode\nVmRSS:\t  204800 kB\nRssAnon:\t  102400 kB\nRssFile:\t  102400 kB\n';
  expect(parseStatusBytes(text, 'RssAnon')).toBe(104_857_600);
  expect(parseStatusBytes(text, 'RssShmem')).toBeNaN();
});

test.runIf(existsSync('/proc/self/stat'))('a tree counts children that run and children that ended', async () => {
  // Burns a third of a second in a child that ends, and as much in one that stays.
  const burn = 'const until = process.cpuUsage().user + 300000; while (process.cpuUsage().user < until);';
  const script = `const { spawn, spawnSync } = require('node:child_process');
    spawnSync(process.execPath, ['-e', ${JSON.stringify(burn)}]);
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(`${burn} console.log('burnt'); setInterval(() => {}, 1000);`)}]);
    child.stdout.once('data', () => console.log('ready'));
    process.stdin.once('end', () => child.kill('SIGKILL')).resume();`;
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => parent.stdout.once('data', resolve));
    expect(cpuMicrosOfTree(parent.pid!)).toBeGreaterThanOrEqual(550_000);
    expect(rssAnonBytes(parent.pid!)).toBeGreaterThan(1_000_000);
  } finally {
    parent.stdin.end();
    await new Promise((resolve) => parent.once('exit', resolve));
  }
  expect(cpuMicrosOfTree(parent.pid!)).toBeNaN();
  expect(rssAnonBytes(parent.pid!)).toBeNaN();
});
