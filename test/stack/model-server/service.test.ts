import { cp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client, credentials, type ServiceError, status as Status } from '@grpc/grpc-js';
import {
  GRPCInferenceServiceService as service,
  type InferTensorContents,
  type ModelInferRequest,
  type ModelInferResponse,
  type RepositoryModelLoadRequest,
} from '@headrace/inference-client/generated';
import { describe, expect, it, onTestFinished } from 'vitest';
import { outputOf } from '../../../inference-client/index.ts';
import { expectCode, features, linear, oneOfEach, scores } from '../../inference-client/support/requests.ts';
import { useClient, useModelServer } from '../../inference-client/support/servers.ts';

/** Calls the server with messages as they are, past everything that our client would check. */
function useRaw(address: string) {
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return <Request, Response>(
    method: {
      path: string;
      requestSerialize: (value: Request) => Buffer;
      responseDeserialize: (value: Buffer) => Response;
    },
    request: Request,
  ) =>
    new Promise<Response>((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: Date.now() + 10_000 },
        (error: ServiceError | null, response?: Response) => (error ? reject(error) : resolve(response as Response)),
      );
    });
}

const empty: InferTensorContents = {
  boolContents: [],
  intContents: [],
  int64Contents: [],
  uintContents: [],
  uint64Contents: [],
  fp32Contents: [],
  fp64Contents: [],
  bytesContents: [],
};

function message(more: {
  shape?: bigint[];
  contents?: Partial<InferTensorContents>;
  raw?: Uint8Array[];
}): ModelInferRequest {
  const contents = more.contents && { ...empty, ...more.contents };
  return {
    modelName: 'linear',
    modelVersion: '1',
    id: 'r1',
    parameters: new Map(),
    outputs: [],
    rawInputContents: more.raw ?? [],
    inputs: [{ name: 'x', datatype: 'FP32', shape: more.shape ?? [1n, 3n], parameters: new Map(), contents }],
  };
}

const floats = (data: Uint8Array | undefined) => [...new Float32Array(new Uint8Array(data ?? []).buffer)];

describe('inference', () => {
  it('takes typed contents and returns raw ones', async () => {
    const call = useRaw((await useModelServer()).address);
    const response: ModelInferResponse = await call(
      service.modelInfer,
      message({ contents: { fp32Contents: [1, 2, 3] } }),
    );
    expect(floats(response.rawOutputContents[0])).toEqual([17.5]);
    expect(response).toMatchObject({
      modelName: 'linear',
      modelVersion: '1',
      id: 'r1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1n, 1n], contents: undefined }],
    });
  });

  it.each([
    [
      'raw and typed contents together',
      { contents: { fp32Contents: [1, 2, 3] }, raw: [new Uint8Array(12)] },
      "contents field must not be specified when using raw_input_contents for 'x'",
    ],
    ['no contents at all', {}, "unable to find data for input tensor 'x'"],
    [
      'typed contents of another type',
      { contents: { intContents: [1, 2, 3] } },
      "unexpected explicit tensor data for input tensor 'x'",
    ],
    [
      'too few typed contents',
      { contents: { fp32Contents: [1] } },
      "[request id: r1] input byte size mismatch for input 'x'",
    ],
    ['too few raw bytes', { raw: [new Uint8Array(11)] }, "[request id: r1] input byte size mismatch for input 'x'"],
    [
      'a negative dimension',
      { shape: [-1n, 3n], raw: [new Uint8Array(12)] },
      "[request id: r1] unexpected shape for input 'x'",
    ],
    [
      'a dimension that no number holds',
      { shape: [2n ** 62n, 3n], raw: [new Uint8Array(12)] },
      "[request id: r1] unexpected shape for input 'x'",
    ],
  ] as [string, Parameters<typeof message>[0], string][])('refuses %s', async (_, parts, details) => {
    const call = useRaw((await useModelServer()).address);
    await expect(call(service.modelInfer, message(parts))).rejects.toMatchObject({
      code: Status.INVALID_ARGUMENT,
      details: expect.stringContaining(details) as string,
    });
  });

  it('refuses text that ONNX Runtime would change: not UTF-8, or with a NUL', async () => {
    const { address } = await useModelServer();
    const client = useClient({ address });
    const withText = (element: Uint8Array) =>
      oneOfEach.map((input) => (input.datatype === 'BYTES' ? { ...input, shape: [1], data: [element] } : input));
    await expectCode(client.infer({ model: 'identity', inputs: withText(new Uint8Array([0xff])) }), 'INVALID_INPUT');
    const error = await expectCode(
      client.infer({ model: 'identity', inputs: withText(Buffer.from('a\0b')) }),
      'INVALID_INPUT',
    );
    expect(error.message).toContain('NUL');
  });

  it('refuses more requests at once than it may hold: QUEUE_FULL, and the others are answered', async () => {
    const { address } = await useModelServer({ requestsMax: 1 });
    const client = useClient({ address, deadlineMs: 10_000, breaker: false });
    const data = features(2_000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, () => client.infer(linear(data, { version: '1' }))),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(new Set(refused.map(({ reason }) => (reason as { code: string }).code))).toEqual(new Set(['QUEUE_FULL']));
    expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled')
        expect([...outputOf(outcome.value, 'y', 'FP32').data]).toEqual(scores(data, 1));
    }
  });

  it('counts failures beside successes', async () => {
    const client = useClient({ address: (await useModelServer()).address });
    const index = (value: bigint) =>
      ({
        model: 'picky',
        inputs: [{ name: 'index', datatype: 'INT64', shape: [1, 1], data: new BigInt64Array([value]) }],
      }) as const;
    await expectCode(client.infer(index(9n)), 'SERVER_ERROR');
    await client.infer(index(1n));
    const [statistics] = await client.modelStatistics('picky');
    expect(statistics).toMatchObject({
      inferenceCount: 1n,
      executionCount: 1n,
      inferenceStats: { success: { count: 1n }, fail: { count: 1n } },
      batchStats: [{ batchSize: 1n }],
    });
    await expectCode(client.modelStatistics('picky', { version: '7' }), 'MODEL_NOT_FOUND');
  });
});

describe('loading', () => {
  it('swaps versions under running requests without failing one', async () => {
    const { address, repositoryFolder } = await useModelServer();
    const client = useClient({ address, deadlineMs: 10_000, breaker: false });
    const data = features(500);
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const versions = new Set<string>();
    const work = (async () => {
      while (!stop.signal.aborted) {
        const results = await Promise.all(Array.from({ length: 8 }, () => client.infer(linear(data))));
        for (const result of results) {
          versions.add(result.version);
          expect([...outputOf(result, 'y', 'FP32').data]).toEqual(scores(data, result.version === '2' ? 2 : 1));
        }
      }
    })();
    // Reported by the await below; without this a failure meanwhile would count as unhandled.
    work.catch(() => undefined);
    const folder = path.join(repositoryFolder, 'linear');
    for (const version of ['3', '4', '5']) {
      await cp(path.join(folder, '1'), path.join(folder, version), { recursive: true });
      await client.loadModel('linear');
      await expect.poll(() => versions.has(version), { timeout: 10_000 }).toBe(true);
    }
    stop.abort();
    await work;
  });

  it('that fails says why, and leaves what is served as it is', async () => {
    const { address, repositoryFolder } = await useModelServer();
    const client = useClient({ address });
    const configPath = path.join(repositoryFolder, 'linear', 'config.pbtxt');
    await writeFile(configPath, 'backend: "onnxruntime" input { name: "z" data_type: TYPE_FP32 dims: [ -1, 3 ] }');
    const error = await expectCode(client.loadModel('linear'), 'MODEL_LOAD_FAILED');
    expect(error.message).toContain("config.pbtxt declares the input 'z'");
    expect((await client.infer(linear(features(1)))).version).toBe('2');
  });

  it('knows only folders of the repository by name, and no parameters', async () => {
    const { address } = await useModelServer();
    await expectCode(useClient({ address }).loadModel('../linear'), 'MODEL_LOAD_FAILED');
    const call = useRaw(address);
    const load = (more: Partial<RepositoryModelLoadRequest>) =>
      call(service.repositoryModelLoad, { repositoryName: '', modelName: 'linear', parameters: new Map(), ...more });
    await expect(load({ repositoryName: 'other' })).rejects.toMatchObject({ code: Status.UNIMPLEMENTED });
    const parameters = new Map([['config', { parameterChoice: { $case: 'stringParam' as const, stringParam: '{}' } }]]);
    await expect(load({ parameters })).rejects.toMatchObject({
      code: Status.UNIMPLEMENTED,
      details: expect.stringContaining("'config'") as string,
    });
  });

  it('lists a model on disk that nobody loaded without a state', async () => {
    const { address, repositoryFolder } = await useModelServer();
    await cp(path.join(repositoryFolder, 'picky'), path.join(repositoryFolder, 'new'), { recursive: true });
    const client = useClient({ address });
    expect(await client.repositoryIndex()).toContainEqual({ name: 'new', version: '', state: '', reason: '' });
    await rm(path.join(repositoryFolder, 'new'), { recursive: true });
    expect((await client.repositoryIndex()).map(({ name }) => name)).not.toContain('new');
  });
});
