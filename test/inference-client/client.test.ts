import { type Metadata, ServerCredentials, status as Status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type InferRequest, outputOf } from '../../inference-client/index.ts';
import { makeCertificate } from '../stack/certificates.ts';
import { expectCode, features, linear, scores, x } from './support/requests.ts';
import { freePort, useClient, useModelServer, useScriptedServer } from './support/servers.ts';

describe('errors of a scripted server', () => {
  it.each([
    [Status.UNAUTHENTICATED, 'no token', 'ACCESS_DENIED', false],
    [Status.PERMISSION_DENIED, 'not yours', 'ACCESS_DENIED', false],
    [Status.RESOURCE_EXHAUSTED, 'too many requests', 'QUEUE_FULL', true],
    [Status.UNAVAILABLE, 'Exceeds maximum queue size', 'QUEUE_FULL', true],
    [Status.INTERNAL, 'CUDA out of memory', 'SERVER_ERROR', true],
    [Status.CANCELLED, 'server is stopping', 'SERVER_UNAVAILABLE', true],
  ] as const)('status %i "%s" is %s', async (status, details, code, retryable) => {
    const address = await useScriptedServer({ modelInfer: (_, reply) => reply({ code: status, details }) });
    const error = await expectCode(useClient({ address }).infer(linear(features(1))), code);
    expect(error.retryable).toBe(retryable);
    expect(error.message).toContain(details);
    expect(error).toMatchObject({ address, model: 'linear' });
  });

  it('a call that the server does not have is NOT_SUPPORTED', async () => {
    const client = useClient({ address: await useScriptedServer({}) });
    await expectCode(client.repositoryIndex(), 'NOT_SUPPORTED');
    await expectCode(client.unloadModel('linear'), 'NOT_SUPPORTED');
  });

  it('an answer that contradicts itself is BAD_RESPONSE', async () => {
    const address = await useScriptedServer({
      modelInfer: ({ request }, reply) =>
        reply(null, {
          modelName: request.modelName,
          modelVersion: '1',
          id: '',
          parameters: new Map(),
          rawOutputContents: [new Uint8Array(5)],
          outputs: [{ name: 'y', datatype: 'FP32', shape: [1n], parameters: new Map(), contents: undefined }],
        }),
      modelConfig: (_, reply) => reply(null, { config: undefined }),
    });
    const client = useClient({ address });
    const error = await expectCode(client.infer(linear(features(1))), 'BAD_RESPONSE');
    expect(error.message).toContain('takes 4 bytes, there are 5');
    await expectCode(client.modelConfig('linear'), 'BAD_RESPONSE');
    await expectCode(client.inferRows(linear(features(1))), 'BAD_RESPONSE');
  });
});

describe('requests', () => {
  it('that no server could take, or with a bad option, do not leave the client', async () => {
    let calls = 0;
    const client = useClient({
      address: await useScriptedServer({
        modelInfer: () => {
          calls++;
        },
      }),
    });
    await expectCode(client.infer({ model: 'linear', inputs: [x(features(1), [7, 3])] }), 'WRONG_SHAPE');
    await expectCode(
      client.infer({ model: 'linear', inputs: [{ ...x(features(1)), datatype: 'INT8' } as never] }),
      'WRONG_DTYPE',
    );
    await expectCode(client.infer(linear(features(1), { deadlineMs: -5 })), 'INVALID_CONFIG');
    await expectCode(client.inferRows(linear(features(1)), { rowsMax: 0 }), 'INVALID_CONFIG');
    expect(calls).toBe(0);
  });

  it('over the limit of a message are TOO_LARGE, and so are answers', async () => {
    const { address } = await useModelServer();
    const small = useClient({ address, messageBytesMax: 600 });
    await expectCode(small.infer(linear(features(100))), 'TOO_LARGE');
    await expectCode(small.modelConfig('identity'), 'TOO_LARGE');
    expect((await small.infer(linear(features(1)))).version).toBe('2');
  });

  it('of many rows stay with the version of the first part while another is loaded', async () => {
    const asked: string[] = [];
    let newest = '1';
    const address = await useScriptedServer({
      modelInfer({ request }, reply) {
        asked.push(request.modelVersion);
        const rows = request.inputs[0]?.shape[0] as bigint;
        const version = request.modelVersion || newest;
        newest = '2';
        reply(null, {
          modelName: 'm',
          modelVersion: version,
          id: '',
          parameters: new Map(),
          rawOutputContents: [new Uint8Array(Number(rows))],
          outputs: [{ name: 'y', datatype: 'INT8', shape: [rows], parameters: new Map(), contents: undefined }],
        });
      },
    });
    const result = await useClient({ address }).inferRows(linear(features(10)), { rowsMax: 4 });
    expect(asked).toEqual(['', '1', '1']);
    expect(result.version).toBe('1');
    expect(result.outputs[0]?.shape).toEqual([10]);
  });

  it('carry the headers of the client and of the call', async () => {
    const seen: Metadata[] = [];
    const address = await useScriptedServer({
      serverLive: (call, reply) => {
        seen.push(call.metadata);
        reply(null, { live: true });
      },
    });
    let token = 'one';
    const client = useClient({ address, metadata: () => ({ authorization: token }) });
    await client.serverLive({ metadata: { traceparent: '00-a' } });
    token = 'two';
    await client.serverLive();
    expect(seen.map((metadata) => [metadata.get('authorization'), metadata.get('traceparent')])).toEqual([
      [['one'], ['00-a']],
      [['two'], []],
    ]);
    token = 'sec\u0000ret';
    const error = await expectCode(client.serverLive(), 'INVALID_CONFIG');
    expect(error.message).toContain("'authorization'");
    expect(`${error.message}${String(error.cause)}`).not.toContain('ret');
  });
});

describe('the breaker in front of inference', () => {
  it('refuses after five failures, lets the server be asked for its health, and closes when it is back', async () => {
    const port = await freePort();
    let clockMs = 0;
    const client = useClient({ address: `127.0.0.1:${port}`, breaker: { openMs: 1_000 }, nowMs: () => clockMs });
    for (let count = 0; count < 5; count++) {
      expect(client.breakerState('linear')).toBe('closed');
      await expectCode(client.infer(linear(features(1))), 'SERVER_UNAVAILABLE');
    }
    expect(client.breakerState('linear')).toBe('open');
    const refused = await expectCode(client.infer(linear(features(1))), 'BREAKER_OPEN');
    expect(refused.message).toContain('asking again in 1000 ms');
    expect(refused.retryable).toBe(true);
    await useModelServer({ port });
    await expect.poll(() => client.serverLive().catch(() => false), { timeout: 10_000 }).toBe(true);
    await expectCode(client.infer(linear(features(1))), 'BREAKER_OPEN');
    clockMs = 1_000;
    expect((await client.infer(linear(features(1)))).version).toBe('2');
    expect(client.breakerState('linear')).toBe('closed');
    expect(client.statistics().failuresByCode).toMatchObject({
      SERVER_UNAVAILABLE: expect.any(Number) as number,
      BREAKER_OPEN: 2,
    });
  });

  it('is of one model: another one of the same server is asked', async () => {
    const address = await useScriptedServer({
      modelInfer: ({ request: { modelName } }, reply) =>
        modelName === 'busy'
          ? reply({ code: Status.UNAVAILABLE, details: 'Exceeds maximum queue size' })
          : reply(null, {
              modelName,
              modelVersion: '2',
              id: '',
              parameters: new Map(),
              rawOutputContents: [],
              outputs: [],
            }),
    });
    const client = useClient({ address, breaker: { failuresMax: 1, openMs: 1_000 }, nowMs: () => 0 });
    await expectCode(client.infer({ ...linear(features(1)), model: 'busy' }), 'QUEUE_FULL');
    await expectCode(client.infer({ ...linear(features(1)), model: 'busy' }), 'BREAKER_OPEN');
    expect((await client.infer({ ...linear(features(1)), outputs: [] })).version).toBe('2');
    expect(['busy', 'linear'].map((model) => client.breakerState(model))).toEqual(['open', 'closed']);
  });

  it('does not count refusals by content', async () => {
    const { address } = await useModelServer();
    const client = useClient({ address, breaker: { failuresMax: 1 } });
    await expectCode(client.infer({ model: 'linear', inputs: [x(new Float32Array(4), [1, 4])] }), 'WRONG_SHAPE');
    await expectCode(client.infer({ ...linear(features(1)), model: 'nobody' }), 'MODEL_NOT_FOUND');
    expect(client.breakerState('linear')).toBe('closed');
    expect(useClient({ address, breaker: false }).breakerState('linear')).toBeUndefined();
  });
});

describe('statistics', () => {
  it('count calls, failures by code, rows and time', async () => {
    const { address } = await useModelServer();
    let clockMs = 0;
    const client = useClient({ address, nowMs: () => (clockMs += 5) });
    await client.infer(linear(features(4)));
    await client.inferRows(linear(features(6)), { rowsMax: 4 });
    await expectCode(client.infer({ ...linear(features(1)), model: 'nobody' }), 'MODEL_NOT_FOUND');
    await client.serverLive();
    const before = client.statistics();
    expect(before).toEqual({
      methods: {
        ModelInfer: { calls: 4, failures: 1, latencyMsSum: 20 },
        ServerLive: { calls: 1, failures: 0, latencyMsSum: 5 },
      },
      failuresByCode: { MODEL_NOT_FOUND: 1 },
      rowsScored: 10,
      channelRebuilds: 0,
    });
    await client.serverLive();
    expect(before.methods['ServerLive']?.calls).toBe(1);
  });
});

describe('TLS', () => {
  const authority = makeCertificate('authority');
  const server = makeCertificate('server', authority);
  const us = makeCertificate('us', authority);
  const credentials = (mutual: boolean) =>
    ServerCredentials.createSsl(authority.cert, [{ cert_chain: server.cert, private_key: server.key }], mutual);
  const request: InferRequest = linear(features(3), { version: '1' });

  it('works with the authority that signed the server, and with no other', async () => {
    const { address } = await useModelServer({ credentials: credentials(false) });
    const result = await useClient({ address, tls: { ca: authority.cert.toString() } }).infer(request);
    expect([...outputOf(result, 'y', 'FP32').data]).toEqual(scores(features(3), 1));
    await expectCode(
      useClient({ address, tls: { ca: makeCertificate('stranger').cert } }).infer(request),
      'SERVER_UNAVAILABLE',
    );
    await expectCode(useClient({ address, tls: true }).infer(request), 'SERVER_UNAVAILABLE');
    await expectCode(useClient({ address }).infer(request), 'SERVER_UNAVAILABLE');
  });

  it('presents our certificate to a server that asks for one', async () => {
    const { address } = await useModelServer({ credentials: credentials(true) });
    const tls = { ca: authority.cert, cert: us.cert, key: us.key };
    expect((await useClient({ address, tls }).infer(request)).version).toBe('1');
    await expectCode(useClient({ address, tls: { ca: authority.cert } }).infer(request), 'SERVER_UNAVAILABLE');
  });

  it('checks the name in the certificate, which may differ from the address', async () => {
    const { address } = await useModelServer({ credentials: credentials(false) });
    expect(await useClient({ address, tls: { ca: authority.cert, serverName: 'localhost' } }).serverLive()).toBe(true);
    await expectCode(
      useClient({ address, tls: { ca: authority.cert, serverName: 'elsewhere' } }).serverLive(),
      'SERVER_UNAVAILABLE',
    );
  });
});
