import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { beforeAll, describe, expect, it } from 'vitest';
import { defaultCacheDir, freePort, prepareTemporal, startTemporal } from '../../../stack/servers/index.ts';
import type { StartTemporalOptions } from '../../../stack/servers/index.ts';
import { occupiedPort } from './occupied.ts';
import { awkwardFolder, stopAfterTest, temporaryFolder } from './trial.ts';

let executable: string;
beforeAll(async () => {
  executable = await prepareTemporal({ cacheDir: defaultCacheDir(process.env), env: process.env });
}, 1_200_000);

async function start(dataDir: string, options: Partial<StartTemporalOptions> = {}) {
  return stopAfterTest(await startTemporal({ executable, dataDir, headless: true, ...options }));
}

async function withClient<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection, namespace: 'headrace' }));
  } finally {
    await connection.close();
  }
}

const begin = (address: string, workflowId: string) =>
  withClient(address, (client) => client.workflow.start('nobodyRunsThis', { taskQueue: 'none', workflowId }));
const statusOf = (address: string, workflowId: string) =>
  withClient(address, async (client) => (await client.workflow.getHandle(workflowId).describe()).status.name);

describe('the embedded Temporal server', () => {
  it('takes workflows, shows its Web UI and says how long it keeps runs', async () => {
    const server = await start(temporaryFolder(), { headless: false, uiCodecEndpoint: 'http://127.0.0.1:9/codec' });
    await begin(server.address, 'a');
    expect(await statusOf(server.address, 'a')).toBe('RUNNING');
    expect(server.retentionHours).toBe(24);
    const settings = await fetch(`${server.uiUrl}/api/v1/settings`);
    expect(await settings.json()).toMatchObject({ Codec: { Endpoint: 'http://127.0.0.1:9/codec' } });
  }, 60_000);

  it('keeps closed runs as long as asked for, also when it is asked for another time', async () => {
    const dataDir = temporaryFolder();
    const retentionOf = (address: string) =>
      withClient(address, async ({ workflowService }) => {
        const { config } = await workflowService.describeNamespace({ namespace: 'headrace' });
        return Number(config!.workflowExecutionRetentionTtl!.seconds) / 3_600;
      });
    const first = await start(dataDir, { retentionHours: 1 });
    expect([first.retentionHours, await retentionOf(first.address)]).toEqual([1, 1]);
    await first.stop();
    const second = await start(dataDir, { retentionHours: 48 });
    expect([second.retentionHours, await retentionOf(second.address)]).toEqual([48, 48]);
  }, 90_000);

  it('keeps its runs over a stop and a SIGKILL, in a folder of any name', async () => {
    const dataDir = awkwardFolder();
    const first = await start(dataDir);
    await begin(first.address, 'a');
    expect(existsSync(join(dataDir, 'temporal.db'))).toBe(true);
    await first.stop();
    expect((await first.exited).signal).toBeNull();

    const second = await start(dataDir);
    expect(await statusOf(second.address, 'a')).toBe('RUNNING');
    await begin(second.address, 'b');
    second.kill('SIGKILL');
    expect((await second.exited).signal).toBe('SIGKILL');

    const third = await start(dataDir);
    expect(await statusOf(third.address, 'b')).toBe('RUNNING');
  }, 90_000);

  it('takes others for ports that are taken', async () => {
    const taken = await occupiedPort();
    const inner = [await freePort(), taken, await freePort(), await freePort()];
    const server = await start(temporaryFolder(), {
      preferredPort: taken,
      innerPort: () => Promise.resolve(inner.shift()!),
    });
    expect(inner).toEqual([]);
    expect(server.address).not.toBe(`127.0.0.1:${taken}`);
    expect(await withClient(server.address, (client) => client.workflowService.getSystemInfo({}))).toBeDefined();
  }, 60_000);

  it('names its log and what stands in it when it cannot start', async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, 'temporal.db'));
    await expect(startTemporal({ executable, dataDir })).rejects.toThrow(
      /temporal exited with code 1 before it was ready[^]*temporal\.log[^]*database file/,
    );
  }, 60_000);
});

describe('finding a Temporal program', () => {
  const options = { cacheDir: '/nonexistent', env: process.env };

  it('refuses an explicit path that is no temporal, naming the setting', async () => {
    await expect(prepareTemporal({ ...options, executable: '/nonexistent/temporal' })).rejects.toThrow(
      /TEMPORAL_EXECUTABLE names \/nonexistent\/temporal/,
    );
    await expect(prepareTemporal({ ...options, executable: process.execPath })).rejects.toThrow(/TEMPORAL_EXECUTABLE/);
  });

  it('takes an explicit one that works', async () => {
    expect(await prepareTemporal({ ...options, executable })).toBe(executable);
  });
});
