import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { identityOf, isAlive, startMarkOf } from '../../../stack/servers/identity.ts';
import { launch } from '../../../stack/servers/process.ts';
import { findJsonLine, NotReadyError, waitUntilReady } from '../../../stack/servers/ready.ts';
import { stopAfterTest, temporaryFolder, until } from './trial.ts';

function node(script: string, folder: string, options: Partial<Parameters<typeof launch>[0]> = {}) {
  return launch({
    name: 'trial',
    command: process.execPath,
    args: ['-e', script],
    logFile: join(folder, 'trial.log'),
    ...options,
  });
}

const idle = 'setInterval(() => {}, 1000);';

describe('a launched process', () => {
  it('leads a process group of its own', async () => {
    const child = stopAfterTest(await node(idle, temporaryFolder()));
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
    expect(Number(fields?.[2])).toBe(child.pid);
  });

  it('stops on its stop signal and says how it ended', async () => {
    const child = await node(
      `process.on('SIGTERM', () => process.exit(3)); console.log('armed'); ${idle}`,
      temporaryFolder(),
    );
    await until(() => child.logTail().includes('armed'), 'handler installed');
    expect(await child.stop()).toEqual({ code: 3, signal: null });
    expect(await child.stop()).toEqual({ code: 3, signal: null });
  });

  it('is killed when it ignores the stop signal', async () => {
    const child = await node(`process.on('SIGTERM', () => {}); console.log('armed'); ${idle}`, temporaryFolder(), {
      stopTimeoutMs: 200,
    });
    await until(() => child.logTail().includes('armed'), 'handler installed');
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('takes its own children with it', async () => {
    const child = await node(
      `const c = require('child_process').spawn(process.execPath, ['-e', '${idle}']); c.on('spawn', () => console.log(c.pid)); ${idle}`,
      temporaryFolder(),
    );
    await until(() => child.logTail().length > 0, 'grandchild started');
    const grandchild = identityOf(Number(child.logTail()[0]));
    await child.stop();
    await until(() => !isAlive(grandchild), 'grandchild gone');
  });

  it('is refused with its name when the program does not exist', async () => {
    await expect(
      launch({ name: 'trial', command: '/nonexistent/program', args: [], logFile: join(temporaryFolder(), 'x.log') }),
    ).rejects.toThrow(/cannot start trial \(\/nonexistent\/program\)/);
  });

  it('ends when its parent is killed without a word', async () => {
    const folder = temporaryFolder();
    const source = fileURLToPath(new URL('../../../stack/servers/process.ts', import.meta.url));
    const parent = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        `
      const { launch } = await import(${JSON.stringify(source)});
      const child = await launch({ name: 'trial', command: process.execPath, args: ['-e', ${JSON.stringify(idle)}], logFile: ${JSON.stringify(join(folder, 'c.log'))} });
      (await import('node:fs')).writeFileSync(${JSON.stringify(join(folder, 'pid.draft'))}, String(child.pid));
      (await import('node:fs')).renameSync(${JSON.stringify(join(folder, 'pid.draft'))}, ${JSON.stringify(join(folder, 'pid'))});
    `,
      ],
      { stdio: 'inherit' },
    );
    onTestFinished(() => void parent.kill('SIGKILL'));
    const childPid = (): number => Number(readFileSync(join(folder, 'pid'), 'utf8'));
    await until(() => {
      try {
        return childPid() > 0;
      } catch {
        return false;
      }
    }, 'child started');
    const child = identityOf(childPid());
    parent.kill('SIGKILL');
    await until(() => !isAlive(child), 'orphan gone');
  });
});

describe('waiting for readiness', () => {
  it('returns what the probe found', async () => {
    const child = stopAfterTest(
      await node(
        `console.log('noise'); console.log(JSON.stringify({ ready: true, port: 7 })); ${idle}`,
        temporaryFolder(),
      ),
    );
    const probe = async () => findJsonLine(child, (line) => (line['ready'] === true ? line['port'] : undefined));
    expect(await waitUntilReady({ process: child, timeoutMs: 20_000, probe })).toBe(7);
  });

  it('sees only what this run printed', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'trial.log'), '{"ready":true}\nold line\n');
    const child = stopAfterTest(await node(`console.log('fresh'); ${idle}`, folder));
    await until(() => child.logTail().length > 0, 'first line');
    expect(child.logTail()).toEqual(['fresh']);
    expect(findJsonLine(child, (line) => line['ready'])).toBeUndefined();
  });

  it('rejects with the last log lines when the process dies', async () => {
    const child = await node(`console.error('disk is on fire'); process.exit(4)`, temporaryFolder());
    const failure = waitUntilReady({ process: child, timeoutMs: 20_000, probe: async () => undefined });
    await expect(failure).rejects.toThrow(NotReadyError);
    await expect(failure).rejects.toThrow(/trial exited with code 4 before it was ready[^]*disk is on fire/);
  });

  it('rejects with the last answer at the deadline', async () => {
    const child = stopAfterTest(await node(idle, temporaryFolder()));
    await expect(
      waitUntilReady({ process: child, timeoutMs: 100, probe: () => Promise.reject(new Error('refused')) }),
    ).rejects.toThrow(/was not ready within 0 s\. Last answer: refused/);
  });
});

describe('identity', () => {
  it('tells a process from a later one with its number', () => {
    const me = identityOf(process.pid);
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, startMark: 'another start' })).toBe(false);
  });

  it('does not count a process that is gone', async () => {
    const child = await node('', temporaryFolder());
    await child.exited;
    expect(startMarkOf(child.pid)).toBeUndefined();
    expect(() => identityOf(child.pid)).toThrow(/is gone/);
  });
});
