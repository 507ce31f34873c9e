import { expect, test } from 'vitest';
import { setProxyVariables, useCountingProxy } from '../kafka/counting-proxy.ts';
import { useClient, useScriptedServer } from './support/servers.ts';

test('proxies of the environment are not asked for the address that a client was given', async () => {
  const proxy = await useCountingProxy();
  setProxyVariables(proxy.address);
  const address = await useScriptedServer({ serverLive: (_, reply) => reply(null, { live: true }) });
  expect(await useClient({ address }).serverLive()).toBe(true);
  expect(proxy.asked).toEqual([]);
});
