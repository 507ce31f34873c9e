import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { GRPCInferenceServiceService } from '@headrace/inference-client/generated';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { boundHandshake } from '../../runtime/grpc-handshake.ts';
import { FaultProxy } from '../faults/proxy/fault-proxy.ts';
import { until } from '../live/wait.ts';

let server: Server;
let proxy: FaultProxy;
let client: Client;
beforeEach(async () => {
  server = new Server();
  server.addService(GRPCInferenceServiceService, { serverLive: (_: unknown, reply: (error: null, answer: { live: boolean }) => void) => reply(null, { live: true }) });
  const port = await new Promise<number>((resolve, reject) => server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
  proxy = await FaultProxy.start(port);
  const bounded = credentials.createInsecure();
  boundHandshake(bounded, 300);
  client = new Client(proxy.address, bounded, { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 200, 'grpc.use_local_subchannel_pool': 1 });
});
afterEach(async () => {
  client.close();
  await proxy.stop();
  server.forceShutdown();
});

/** One short call. Answers whether the server did. */
function isLive(): Promise<boolean> {
  const { path, requestSerialize, responseDeserialize } = GRPCInferenceServiceService.serverLive;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, { deadline: Date.now() + 200 }, (error, answer) => resolve(error === null && answer?.live === true));
  });
}

test('a peer that accepts connections and says nothing is given up, and the healthy one in its place is found', async () => {
  await proxy.set({ kind: 'silent' });
  expect(await isLive()).toBe(false);
  await until('a connection is left without an answer', () => proxy.counts.silent > 0);
  await proxy.heal();
  await until('the server answers', isLive, { timeoutMs: 10_000 });
});

test('a connection on which somebody has spoken stays', async () => {
  await until('the server answers', isLive, { timeoutMs: 10_000 });
  const { connections } = proxy.counts;
  await until('longer than the handshake may take', ((endMs) => () => Date.now() > endMs)(Date.now() + 700));
  expect(await isLive()).toBe(true);
  expect(proxy.counts.connections).toBe(connections);
});
