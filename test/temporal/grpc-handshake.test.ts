import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { GRPCInferenceServiceService } from '@headrace/inference-client/generated';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { boundHandshake } from '../../temporal/grpc-handshake.ts';
import { makeCertificate } from '../stack/certificates.ts';
import { FaultProxy } from '../faults/proxy/fault-proxy.ts';
import { until } from '../live/wait.ts';

let server: Server;
let proxy: FaultProxy;
let client: Client;
beforeEach(async () => {
  server = new Server();
  server.addService(GRPCInferenceServiceService, {
    serverLive: (_: unknown, reply: (error: null, answer: { live: boolean }) => void) => reply(null, { live: true }),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  proxy = await FaultProxy.start(port);
  client = newClient(proxy.address);
});
afterEach(async () => {
  client.close();
  await proxy.stop();
  server.forceShutdown();
});

function newClient(address: string, channel = credentials.createInsecure()): Client {
  boundHandshake(channel, 300);
  return new Client(address, channel, {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 200,
    'grpc.use_local_subchannel_pool': 1,
  });
}

/** One short call. Returns whether the server did. */
function isLive(of = client): Promise<boolean> {
  const { path, requestSerialize, responseDeserialize } = GRPCInferenceServiceService.serverLive;
  return new Promise((resolve) => {
    of.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      { deadline: Date.now() + 200 },
      (error, answer) => resolve(error === null && answer?.live === true),
    );
  });
}

test('a peer that accepts connections and says nothing is given up, and the healthy one in its place is found', async () => {
  await proxy.set({ kind: 'silent' });
  expect(await isLive()).toBe(false);
  await until('a connection is left without an answer', () => proxy.counts.silent > 0);
  await proxy.heal();
  await until('the server answers', () => isLive(), { timeoutMs: 10_000 });
});

test('a connection on which somebody has spoken stays', async () => {
  await until('the server answers', () => isLive(), { timeoutMs: 10_000 });
  const { connections } = proxy.counts;
  await until(
    'longer than the handshake may take',
    (
      (endMs) => () =>
        Date.now() > endMs
    )(Date.now() + 700),
  );
  expect(await isLive()).toBe(true);
  expect(proxy.counts.connections).toBe(connections);
});

test('over TLS, a peer that ends the handshake and then says nothing is given up; one that speaks stays', async () => {
  const authority = makeCertificate('authority');
  const { cert, key } = makeCertificate('server', authority);
  const silent = createTlsServer({ cert, key, ALPNProtocols: ['h2'] });
  const shaken: TLSSocket[] = [];
  silent.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    socket.resume();
    shaken.push(socket);
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      '127.0.0.1:0',
      ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]),
      (error, bound) => (error ? reject(error) : resolve(bound)),
    ),
  );
  const secureProxy = await FaultProxy.start((silent.address() as AddressInfo).port);
  const secure = newClient(secureProxy.address, credentials.createSsl(authority.cert));
  try {
    await until('a handshake ends', async () => !(await isLive(secure)) && shaken.length > 0);
    await until('the silent peer is given up', () => shaken[0]!.destroyed);
    secureProxy.retarget(port);
    await until('the server answers', () => isLive(secure), { timeoutMs: 10_000 });
    const { connections } = secureProxy.counts;
    await until(
      'longer than the handshake may take',
      (
        (endMs) => () =>
          Date.now() > endMs
      )(Date.now() + 700),
    );
    expect(await isLive(secure)).toBe(true);
    expect(secureProxy.counts.connections).toBe(connections);
  } finally {
    secure.close();
    await secureProxy.stop();
    for (const socket of shaken) socket.destroy();
    silent.close();
  }
});
