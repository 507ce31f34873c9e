import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../contracts/schemas/config.ts';
import { clientConnectionOptions, connectTemporal, nativeConnectionOptions } from '../../temporal/connection.ts';
import { startLiveServers } from '../stack/live.ts';
import { setProxyVariables, useCountingProxy } from '../kafka/counting-proxy.ts';

let address: string;
beforeAll(async () => {
  ({
    temporal: { address },
  } = await startLiveServers({ temporal: true }));
}, 600_000);

/** Nobody knows the name but the proxy, which connects to the real server. */
const elsewhere = 'temporal.elsewhere.invalid:7233';

async function namespacesBy(connection: Connection | NativeConnection): Promise<number> {
  const { namespaces } = await connection.workflowService.listNamespaces({});
  return namespaces.length;
}

describe('proxies of the environment', () => {
  test('are not asked for a Temporal that a setting names, by client or worker', async () => {
    const proxy = await useCountingProxy();
    setProxyVariables(proxy.address);
    const config = parseConfig({ ...process.env, TEMPORAL_ADDRESS: address });
    const client = await connectTemporal(config);
    onTestFinished(() => client.connection.close());
    const native = await NativeConnection.connect(nativeConnectionOptions(config));
    onTestFinished(() => native.close());
    expect(await namespacesBy(native)).toBeGreaterThan(0);
    expect(proxy.asked).toEqual([]);
  });
});

describe('TEMPORAL_PROXY', () => {
  test('is gone through by client and worker, with its credentials', async () => {
    const proxy = await useCountingProxy(address);
    const config = parseConfig({ TEMPORAL_ADDRESS: elsewhere, TEMPORAL_PROXY: `http://ann:p%40ss@${proxy.address}` });
    const client = await connectTemporal(config);
    onTestFinished(() => client.connection.close());
    const native = await NativeConnection.connect(nativeConnectionOptions(config));
    onTestFinished(() => native.close());
    expect(await namespacesBy(native)).toBeGreaterThan(0);
    expect(new Set(proxy.asked)).toEqual(new Set([elsewhere]));
    expect(new Set(proxy.credentials)).toEqual(new Set([`Basic ${Buffer.from('ann:p@ss').toString('base64')}`]));
  });

  test('is not used for a Temporal of this machine', async () => {
    const proxy = await useCountingProxy();
    const connection = await Connection.connect(
      clientConnectionOptions(parseConfig({ TEMPORAL_ADDRESS: address, TEMPORAL_PROXY: `http://${proxy.address}` })),
    );
    onTestFinished(() => connection.close());
    expect(await namespacesBy(connection)).toBeGreaterThan(0);
    expect(proxy.asked).toEqual([]);
  });

  test.each(['proxy:3128', 'https://proxy:3128', 'http://proxy', 'http://proxy:3128/path'])('refuses %s', (proxy) => {
    expect(() => parseConfig({ TEMPORAL_PROXY: proxy })).toThrow('TEMPORAL_PROXY: must look like http://host:port');
  });
});

test('a Temporal that does not answer: the message names the proxy that was asked for, or the variables that were not used', async () => {
  const through = (more: Record<string, string>) =>
    connectTemporal(parseConfig({ TEMPORAL_ADDRESS: elsewhere, ...more })).then(
      () => 'connected',
      (error: Error) => error.message,
    );
  // Each waits for its time-out, so they wait together.
  const [asked, unused] = await Promise.all([
    through({ TEMPORAL_PROXY: 'http://ann:s3cret@127.0.0.1:1' }),
    through({ https_proxy: 'http://ann:s3cret@127.0.0.1:1' }),
  ]);
  expect(asked).toMatch(
    /^no Temporal server answers at temporal\.elsewhere\.invalid:7233 through the proxy 127\.0\.0\.1:1; check TEMPORAL_ADDRESS and TEMPORAL_PROXY/,
  );
  expect(unused).toMatch(
    /^no Temporal server answers at temporal\.elsewhere\.invalid:7233; check TEMPORAL_ADDRESS \(.*; https_proxy is not used for it: set TEMPORAL_PROXY to go through a proxy\)$/,
  );
  expect(`${asked}${unused}`).not.toContain('s3cret');
}, 30_000);
