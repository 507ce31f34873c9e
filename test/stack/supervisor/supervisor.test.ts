import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Exit } from '../../../stack/servers/process.ts';
import { identityOf, isAlive } from '../../../stack/servers/identity.ts';
import { launch } from '../../../stack/servers/process.ts';
import { findJsonLine, waitUntilReady } from '../../../stack/servers/ready.ts';
import { Supervisor } from '../../../stack/supervisor/index.ts';
import type { Running, Service, ServiceEvent, SupervisorOptions } from '../../../stack/supervisor/index.ts';
import { temporaryFolder, until } from '../servers/trial.ts';

const ready = `console.log('{"ready":true}');`;
const idle = 'setInterval(() => {}, 1000);';
/** A program that ends with this code as soon as it is told to, and it is told when it is seen ready. */
const endsWith = (code: number, lastWords = ''): string =>
  `process.on('SIGUSR2', () => { ${lastWords} process.exit(${code}) });${ready}${idle}`;

/** A service that is a real child process running `script`. */
function service(
  folder: string,
  name: string,
  needs: string[],
  script = ready + idle,
  extra: Partial<Service> = {},
): Service {
  return {
    name,
    needs,
    start: async (onLaunch) => {
      const child = await launch({
        name,
        command: process.execPath,
        args: ['-e', script],
        logFile: join(folder, `${name}.log`),
        onLaunch,
        stopTimeoutMs: 2_000,
      });
      try {
        await waitUntilReady({
          process: child,
          timeoutMs: 20_000,
          probe: async () => findJsonLine(child, (line) => line['ready']),
        });
        return child;
      } catch (error) {
        await child.stop();
        throw error;
      }
    },
    ...extra,
  };
}

function supervise(services: Service[], options: Partial<SupervisorOptions> = {}, endings = new Set<string>()) {
  const events: ServiceEvent[] = [];
  const supervisor = new Supervisor({
    services,
    onEvent: (event) => {
      events.push(event);
      if (event.type === 'ready' && endings.has(event.service)) process.kill(pidOf(event.service), 'SIGUSR2');
    },
    restartPolicy: { delayMsMin: 10, delayMsMax: 40, deathsMax: 2, windowMs: 60_000 },
    ...options,
  });
  onTestFinished(() => supervisor.stop(), 30_000);
  const names = (type: ServiceEvent['type']) =>
    events.filter((event) => event.type === type).map((event) => event.service);
  const pidOf = (name: string): number => supervisor.status().find((status) => status.name === name)?.pid ?? -1;
  return { supervisor, events, names, pidOf };
}

describe('the supervisor', () => {
  it('starts what is needed first and stops it last', async () => {
    const folder = temporaryFolder();
    const { supervisor, names } = supervise([
      service(folder, 'bridge', ['worker', 'kafka']),
      service(folder, 'worker', ['kafka']),
      service(folder, 'kafka', []),
      { name: 'topics', needs: ['kafka'], start: async () => undefined },
    ]);
    await supervisor.start();
    expect(names('ready')).toEqual(['kafka', 'worker', 'bridge']);
    expect(names('finished')).toEqual(['topics']);
    await supervisor.stop();
    expect(names('stopped')).toEqual(['bridge', 'worker', 'kafka']);
  }, 30_000);

  it('restarts what dies and tells its last log lines', async () => {
    const folder = temporaryFolder();
    const { supervisor, events, names, pidOf } = supervise([
      service(folder, 'worker', [], `console.error('out of coffee');${ready}${idle}`),
    ]);
    await supervisor.start();
    const first = pidOf('worker');
    process.kill(first, 'SIGKILL');
    await until(() => names('ready').length === 2, 'up again');
    expect(pidOf('worker')).not.toBe(first);
    expect(events.find((event) => event.type === 'died')).toMatchObject({
      service: 'worker',
      reason: 'was ended by SIGKILL',
      restartInMs: 10,
      logTail: ['out of coffee', '{"ready":true}'],
    });
  }, 30_000);

  it('starts a stopped service again, which then comes back after a death, and none while everything stops', async () => {
    const { supervisor, names, pidOf } = supervise([service(temporaryFolder(), 'generator', [])]);
    await supervisor.start();
    await supervisor.stopService('generator');
    expect(pidOf('generator')).toBe(-1);
    await supervisor.startService('generator');
    expect(names('ready')).toHaveLength(2);
    process.kill(pidOf('generator'), 'SIGKILL');
    await until(() => names('ready').length === 3, 'up again');
    await supervisor.stop();
    await supervisor.startService('generator');
    expect(names('ready')).toHaveLength(3);
  }, 30_000);

  it('starts a service once, whatever was asked of it before what it needs is ready and while it runs', async () => {
    let kafkaIsReady = () => {};
    const generators: AbortController[] = [];
    const { supervisor, names } = supervise([
      { name: 'kafka', needs: [], start: () => new Promise((resolve) => (kafkaIsReady = () => resolve(undefined))) },
      {
        name: 'generator',
        needs: ['kafka'],
        start: () => {
          const ended = new AbortController();
          generators.push(ended);
          const exited = new Promise<Exit>((resolve) =>
            ended.signal.addEventListener('abort', () => resolve({ code: 0, signal: null })),
          );
          const stop = () => (ended.abort(), exited);
          return Promise.resolve({
            pid: undefined,
            exited,
            stop,
            logFile: '',
            logTail: () => [],
          } as unknown as Running);
        },
      },
    ]);
    const running = () => generators.filter(({ signal }) => !signal.aborted).length;
    const started = supervisor.start();
    await supervisor.stopService('generator');
    const again = supervisor.startService('generator');
    await Promise.resolve();
    expect(generators).toEqual([]);
    kafkaIsReady();
    await Promise.all([started, again]);
    await Promise.all([supervisor.startService('generator'), supervisor.startService('generator')]);
    expect(running()).toBe(1);
    await supervisor.stopService('generator');
    await Promise.all([supervisor.startService('generator'), supervisor.startService('generator')]);
    expect(running()).toBe(1);
    expect(names('ready').filter((name) => name === 'generator')).toHaveLength(2);
  });

  it('starts a service again that did not come up, when it is asked to', async () => {
    let up = false;
    const { supervisor, names } = supervise([
      {
        ...service(temporaryFolder(), 'generator', []),
        start: async (onLaunch) => {
          if (!up) throw new Error('no room');
          return service(temporaryFolder(), 'generator', []).start(onLaunch);
        },
      },
    ]);
    await expect(supervisor.start()).rejects.toThrow('no room');
    await expect(supervisor.startService('generator')).rejects.toThrow('no room');
    up = true;
    await supervisor.startService('generator');
    expect(names('ready')).toEqual(['generator']);
  }, 30_000);

  it('gives up what keeps dying and rejects with the reason', async () => {
    const folder = temporaryFolder();
    const { supervisor, events } = supervise(
      [service(folder, 'worker', [], endsWith(3, `console.error('bad model');`))],
      {},
      new Set(['worker']),
    );
    await supervisor.start();
    await expect(supervisor.failed).rejects.toThrow('worker exited with code 3');
    expect(
      events.filter((event) => event.type === 'died').map((event) => event.type === 'died' && event.restartInMs),
    ).toEqual([10, 20]);
    expect(events.at(-1)).toMatchObject({
      type: 'failed',
      service: 'worker',
      logTail: ['{"ready":true}', 'bad model'],
    });
  }, 30_000);

  it('lives on without an inessential service and takes a regular end as such', async () => {
    const folder = temporaryFolder();
    const { supervisor, events, names } = supervise(
      [
        service(folder, 'generator', [], endsWith(1), { essential: false }),
        service(folder, 'feeder', [], endsWith(0), { mayFinish: true }),
      ],
      {},
      new Set(['generator', 'feeder']),
    );
    await supervisor.start();
    await until(() => names('failed').length === 1 && names('finished').length === 1, 'both ended');
    expect(events.filter((event) => event.service === 'feeder' && event.type === 'died')).toEqual([]);
    expect(await Promise.race([supervisor.failed, Promise.resolve('still running')])).toBe('still running');
  }, 30_000);

  it('does not try a failed first start again, and stops what did start', async () => {
    const folder = temporaryFolder();
    const { supervisor, names } = supervise([
      service(folder, 'kafka', []),
      service(folder, 'worker', ['kafka'], `console.error('TRITON_URL: wrong'); process.exit(1)`),
      service(folder, 'bridge', ['worker']),
    ]);
    await expect(supervisor.start()).rejects.toThrow(/worker exited with code 1[^]*TRITON_URL: wrong/);
    await supervisor.stop();
    expect(names('starting')).toEqual(['kafka', 'worker']);
    expect(supervisor.status().map((status) => status.pid)).toEqual([undefined, undefined, undefined]);
  }, 30_000);

  it('stops while services are still starting', async () => {
    const folder = temporaryFolder();
    const { supervisor, pidOf } = supervise([
      service(folder, 'worker', [], idle),
      service(folder, 'bridge', ['worker']),
    ]);
    const started = supervisor.start();
    started.catch(() => undefined);
    await until(() => pidOf('worker') > 0, 'launched');
    const worker = identityOf(pidOf('worker'));
    await supervisor.stop();
    await expect(started).rejects.toThrow('worker was not started: stopping');
    expect(isAlive(worker)).toBe(false);
  }, 30_000);

  it('goes on without a service that was stopped before its turn', async () => {
    const folder = temporaryFolder();
    const { supervisor, names } = supervise([service(folder, 'kafka', []), service(folder, 'generator', ['kafka'])]);
    await supervisor.stopService('generator');
    await supervisor.start();
    expect(names('ready')).toEqual(['kafka']);
    expect(supervisor.status().map(({ state }) => state)).toEqual(['ready', 'stopped']);
  }, 30_000);

  it('kills at its deadline what does not stop', async () => {
    const folder = temporaryFolder();
    const deaf = `process.on('SIGTERM', () => {});${ready}${idle}`;
    const slow = (name: string, needs: string[]): Service => ({
      name,
      needs,
      start: async (onLaunch) => {
        const child = await launch({
          name,
          command: process.execPath,
          args: ['-e', deaf],
          logFile: join(folder, name),
          onLaunch,
          stopTimeoutMs: 60_000,
        });
        await waitUntilReady({
          process: child,
          timeoutMs: 20_000,
          probe: async () => findJsonLine(child, (line) => line['ready']),
        });
        return child;
      },
    });
    const { supervisor, pidOf } = supervise([slow('kafka', []), slow('worker', ['kafka'])], { stopTimeoutMs: 300 });
    await supervisor.start();
    const processes = [identityOf(pidOf('kafka')), identityOf(pidOf('worker'))];
    await supervisor.stop();
    expect(processes.map(isAlive)).toEqual([false, false]);
  }, 30_000);

  it('refuses services that cannot be ordered', () => {
    const task = (name: string, ...needs: string[]): Service => ({ name, needs, start: async () => undefined });
    expect(() => new Supervisor({ services: [task('a', 'b'), task('b', 'a')] })).toThrow('in a circle: a -> b -> a');
    expect(() => new Supervisor({ services: [task('a', 'c')] })).toThrow('service a needs c, which does not exist');
    expect(() => new Supervisor({ services: [task('a'), task('a')] })).toThrow('two services have one name');
  });
});
