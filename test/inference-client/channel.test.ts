import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { ModelInferRequest, ModelInferResponse } from '@headrace/inference-client/generated';
import { describe, expect, it } from 'vitest';
import { expectCode, features, linear } from './support/requests.ts';
import { freePort, useBlackHole, useClient, useModelServer, useScriptedServer } from './support/servers.ts';

/** A server that answers every call but inference, which it leaves open until the caller goes away. */
async function useSilentInference() {
  const calls: { readonly call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>; answer(): void }[] = [];
  const address = await useScriptedServer({
    serverLive: (_, reply) => reply(null, { live: true }),
    modelInfer: (call, reply) => {
      const { modelName, id } = call.request;
      calls.push({
        call,
        answer: () =>
          reply(null, { modelName, modelVersion: '1', id, parameters: new Map(), outputs: [], rawOutputContents: [] }),
      });
    },
  });
  return { address, calls };
}

describe('a server that accepts connections and never speaks', () => {
  it('costs each call its deadline and no more, whichever call it is', async () => {
    const hole = await useBlackHole();
    const client = useClient({ address: hole.address, deadlineMs: 100, deadlineHitsMax: 100 });
    const error = await expectCode(client.infer(linear(features(1))), 'DEADLINE_EXCEEDED');
    expect(error.message).toContain(`server ${hole.address}`);
    expect(error.retryable).toBe(true);
    await expectCode(client.serverReady(), 'DEADLINE_EXCEEDED');
    await expectCode(client.modelMetadata('linear', { deadlineMs: 50 }), 'DEADLINE_EXCEEDED');
    await expectCode(client.loadModel('linear', { deadlineMs: 50 }), 'DEADLINE_EXCEEDED');
    await expectCode(client.inferRows(linear(features(1))), 'DEADLINE_EXCEEDED');
  });

  it('is left behind after three deadline hits: a real server on the same port is found though the silent connection stays open', async () => {
    const hole = await useBlackHole();
    const client = useClient({ address: hole.address, deadlineMs: 150 });
    // A patient call keeps the old channel alive throughout: a new one must not share its connection.
    const patience = new AbortController();
    const patient = expectCode(client.serverLive({ deadlineMs: 60_000, signal: patience.signal }), 'CANCELLED');
    await expectCode(client.serverLive(), 'DEADLINE_EXCEEDED');
    expect(hole.openSockets.size).toBe(1);
    hole.stopListening();
    await useModelServer({ port: hole.port });
    // The channel still waits for the connection that it has: the real server alone does not help.
    await expectCode(client.serverLive(), 'DEADLINE_EXCEEDED');
    expect(client.statistics().channelRebuilds).toBe(0);
    await expectCode(client.serverLive(), 'DEADLINE_EXCEEDED');
    expect(client.statistics().channelRebuilds).toBe(1);
    expect(await client.serverLive({ deadlineMs: 5_000 })).toBe(true);
    patience.abort();
    await patient;
    await expect.poll(() => hole.openSockets.size, { timeout: 5_000 }).toBe(0);
  });

  it('leaves no connection behind when the client is closed', async () => {
    const hole = await useBlackHole();
    const client = useClient({ address: hole.address, deadlineMs: 50 });
    await expectCode(client.serverLive(), 'DEADLINE_EXCEEDED');
    await client.close();
    await expect.poll(() => hole.openSockets.size, { timeout: 5_000 }).toBe(0);
  });
});

describe('the channel', () => {
  it('is kept as long as an answer of any kind comes between the deadline hits', async () => {
    const { address } = await useSilentInference();
    const client = useClient({ address, breaker: false });
    const hit = () => expectCode(client.infer(linear(features(1), { deadlineMs: 30 })), 'DEADLINE_EXCEEDED');
    for (let round = 0; round < 2; round++) {
      await hit();
      await hit();
      expect(await client.serverLive()).toBe(true);
      await hit();
      await hit();
      await expectCode(client.serverReady(), 'NOT_SUPPORTED');
    }
    expect(client.statistics().channelRebuilds).toBe(0);
    await hit();
    await hit();
    await hit();
    expect(client.statistics().channelRebuilds).toBe(1);
    expect(await client.serverLive()).toBe(true);
  });

  it('lets the calls of the old connection end when it is replaced', async () => {
    const { address, calls } = await useSilentInference();
    const client = useClient({ address, breaker: false });
    const patient = client.infer(linear(features(1), { deadlineMs: 10_000, id: 'patient' }));
    await expect.poll(() => calls.length).toBe(1);
    for (let count = 0; count < 3; count++)
      await expectCode(client.infer(linear(features(1), { deadlineMs: 30 })), 'DEADLINE_EXCEEDED');
    expect(client.statistics().channelRebuilds).toBe(1);
    calls[0]?.answer();
    expect((await patient).id).toBe('patient');
  });

  it('finds a server that went away and came back', async () => {
    const port = await freePort();
    const first = await useModelServer({ port });
    const client = useClient({ address: first.address, breaker: false });
    expect((await client.infer(linear(features(1)))).version).toBe('2');
    await first.close(0);
    const error = await expectCode(client.infer(linear(features(1))), 'SERVER_UNAVAILABLE');
    expect(error.message).toContain('Check that the server runs and that the address is right.');
    expect(error.cause).toBeInstanceOf(Error);
    await useModelServer({ port });
    await expect
      .poll(
        () =>
          client.infer(linear(features(1))).then(
            ({ version }) => version,
            () => 'away',
          ),
        { timeout: 10_000 },
      )
      .toBe('2');
    expect(client.statistics().channelRebuilds).toBe(0);
  });

  it('gives a call up when its signal says so, before and while it runs', async () => {
    const { address, calls } = await useSilentInference();
    const client = useClient({ address });
    await expectCode(client.infer(linear(features(1), { signal: AbortSignal.abort() })), 'CANCELLED');
    expect(calls).toHaveLength(0);
    const abort = new AbortController();
    const running = expectCode(
      client.infer(linear(features(1), { signal: abort.signal, deadlineMs: 10_000 })),
      'CANCELLED',
    );
    await expect.poll(() => calls.length).toBe(1);
    abort.abort();
    expect((await running).retryable).toBe(false);
    await expect.poll(() => calls[0]?.call.cancelled).toBe(true);
  });

  it('refuses calls once it is closed, and waits for those under way', async () => {
    const { address, calls } = await useSilentInference();
    const client = useClient({ address });
    const running = client.infer(linear(features(1), { deadlineMs: 10_000 }));
    await expect.poll(() => calls.length).toBe(1);
    let isClosed = false;
    const closed = client.close().then(() => {
      isClosed = true;
    });
    await expectCode(client.serverLive(), 'CLIENT_CLOSED');
    expect(isClosed).toBe(false);
    calls[0]?.answer();
    await running;
    await closed;
  });
});
