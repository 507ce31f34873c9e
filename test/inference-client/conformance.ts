/**
 * What every KServe v2 server must do for this client. The same suite runs against the embedded server and the real tritonserver, so
 * that neither the client nor the embedded server can agree with a mistake of ours.
 */
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createInferenceClient, type InferenceClient, outputOf, textOf } from '../../inference-client/index.ts';
import { expectCode, features, linear, oneOfEach, scores, x } from './support/requests.ts';

export interface Target {
  readonly address: string;
  /** The repository it serves, as a copy that the suite may change. */
  readonly repositoryFolder: string;
  stop(): Promise<void>;
}

/** Declares the suite for one target. */
export function describeConformance(name: string, start: () => Promise<Target>): void {
  describe(name, () => {
    let target: Target;
    let client: InferenceClient;

    beforeAll(async () => {
      target = await start();
      client = createInferenceClient({ address: target.address, deadlineMs: 10_000, breaker: false });
    }, 90_000);
    afterAll(async () => {
      await client?.close();
      await target?.stop();
    }, 30_000);

    const context = { client: () => client, target: () => target };
    describe('health and description', () => describeHealth(context));
    describe('inference', () => describeInference(context));
    describe('refusals', () => describeRefusals(context));
    describe('repository', () => describeRepository(context));
  });
}

interface Context {
  readonly client: () => InferenceClient;
  readonly target: () => Target;
}

function describeHealth({ client }: Context): void {
  it('is live and ready', async () => {
    expect(await client().serverLive()).toBe(true);
    expect(await client().serverReady()).toBe(true);
  });

  it('names itself and its extensions', async () => {
    const metadata = await client().serverMetadata();
    expect(metadata.name).not.toBe('');
    expect(metadata.version).toMatch(/^\d+\.\d+/);
    expect(metadata.extensions).toEqual(
      expect.arrayContaining(['model_repository', 'model_configuration', 'statistics']),
    );
  });

  it('says which models and versions are ready', async () => {
    expect(await client().modelReady('linear')).toBe(true);
    expect(await client().modelReady('linear', { version: '2' })).toBe(true);
    expect(await client().modelReady('linear', { version: '9' })).toBe(false);
    expect(await client().modelReady('nobody')).toBe(false);
  });

  it('describes inputs and outputs with the row dimension', async () => {
    const metadata = await client().modelMetadata('linear');
    expect(metadata.versions).toEqual(['1', '2']);
    expect(metadata.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1n, 3n] }]);
    expect(metadata.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [-1n, 1n] }]);
    const identity = await client().modelMetadata('identity');
    expect(identity.inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual(
      oneOfEach.map(({ name, datatype }) => [name, datatype, [-1n]]),
    );
  });

  it('shows the configuration with dims and limits', async () => {
    const config = await client().modelConfig('linear');
    expect(config).toMatchObject({
      name: 'linear',
      maxBatchSize: 2048,
      versionPolicy: { policyChoice: { $case: 'all' } },
    });
    expect(config.input).toMatchObject([{ name: 'x', dataType: 11, dims: [3n] }]);
    expect((await client().modelConfig('picky')).versionPolicy).toEqual({
      policyChoice: { $case: 'latest', latest: { numVersions: 1 } },
    });
  });
}

function describeInference({ client }: Context): void {
  it('scores rows with the highest version unless one is named', async () => {
    const data = features(5);
    const newest = await client().infer(linear(data, { id: 'request-7' }));
    expect(newest).toMatchObject({ model: 'linear', version: '2', id: 'request-7' });
    const y = outputOf(newest, 'y', 'FP32');
    expect(y.shape).toEqual([5, 1]);
    expect([...y.data]).toEqual(scores(data, 2));
    const first = await client().infer(linear(data, { version: '1', outputs: ['y'] }));
    expect(first.version).toBe('1');
    expect([...outputOf(first, 'y', 'FP32').data]).toEqual(scores(data, 1));
  });

  it('returns every datatype bit by bit', async () => {
    const result = await client().infer({ model: 'identity', inputs: oneOfEach });
    expect(result.outputs).toHaveLength(oneOfEach.length);
    for (const input of oneOfEach) {
      const name = input.name.replace('in_', 'out_');
      if (input.datatype === 'BYTES') {
        expect(textOf(outputOf(result, name, 'BYTES'))).toEqual(input.data);
      } else {
        const output = outputOf(result, name, input.datatype);
        expect(output.shape).toEqual(input.shape);
        expect(bitsOf(output.data)).toEqual(bitsOf(input.data));
      }
    }
  });

  it('returns only the outputs that were asked for', async () => {
    const result = await client().infer({ model: 'identity', inputs: oneOfEach, outputs: ['out_int8', 'out_bytes'] });
    expect(result.outputs.map(({ name }) => name).sort()).toEqual(['out_bytes', 'out_int8']);
  });

  it('lets NaN through untouched, and only where it was', async () => {
    const data = new Float32Array([Number.NaN, 1, 1, 1, 1, 1]);
    const { data: y } = outputOf(await client().infer(linear(data, { version: '1' })), 'y', 'FP32');
    expect([...y]).toEqual([Number.NaN, 7.5]);
  });

  it('sends the bytes of a view, not those around it', async () => {
    const whole = features(10);
    const part = whole.subarray(6, 12);
    const { data: y } = outputOf(await client().infer(linear(part, { version: '1' })), 'y', 'FP32');
    expect([...y]).toEqual(scores(part, 1));
  });

  it('tells how many rows each model takes at once', async () => {
    expect(await Promise.all(['linear', 'picky', 'identity'].map((model) => client().rowsMax(model)))).toEqual([
      2_048,
      4,
      Infinity,
    ]);
  });

  it('splits rows beyond the limit of the model and joins the answers in order', async () => {
    const data = features(5_000);
    const result = await client().inferRows(linear(data));
    expect(result.version).toBe('2');
    const y = outputOf(result, 'y', 'FP32');
    expect(y.shape).toEqual([5_000, 1]);
    expect([...y.data]).toEqual(scores(data, 2));
    const indexes = {
      name: 'index',
      datatype: 'INT64',
      shape: [9, 1],
      data: BigInt64Array.from([0, 1, 2, 2, 1, 0, 0, 0, 1].map(BigInt)),
    } as const;
    const values = outputOf(await client().inferRows({ model: 'picky', inputs: [indexes] }), 'value', 'FP32');
    expect([...values.data]).toEqual([10, 20, 30, 30, 20, 10, 10, 10, 20]);
  });

  it('counts rows and runs', async () => {
    const before = (await client().modelStatistics('linear', { version: '1' }))[0];
    await client().infer(linear(features(7), { version: '1' }));
    const after = (await client().modelStatistics('linear', { version: '1' }))[0];
    expect(after).toMatchObject({ name: 'linear', version: '1' });
    expect((after?.inferenceCount ?? 0n) - (before?.inferenceCount ?? 0n)).toBe(7n);
    expect((after?.executionCount ?? 0n) - (before?.executionCount ?? 0n)).toBe(1n);
    expect(after?.inferenceStats?.success?.ns).toBeGreaterThan(before?.inferenceStats?.success?.ns ?? 0n);
    expect(after?.batchStats.map(({ batchSize }) => batchSize)).toContain(7n);
    expect(new Set((await client().modelStatistics()).map(({ name }) => name))).toEqual(
      new Set(['identity', 'linear', 'picky']),
    );
  });
}

function describeRefusals({ client }: Context): void {
  it('a model or a version that does not exist: MODEL_NOT_FOUND', async () => {
    const error = await expectCode(client().infer({ ...linear(features(1)), model: 'nobody' }), 'MODEL_NOT_FOUND');
    expect(error.message).toContain("model 'nobody'");
    expect(error.retryable).toBe(false);
    await expectCode(client().infer(linear(features(1), { version: '9' })), 'MODEL_NOT_FOUND');
    await expectCode(client().modelMetadata('nobody'), 'MODEL_NOT_FOUND');
    await expectCode(client().modelConfig('nobody'), 'MODEL_NOT_FOUND');
    await expectCode(client().modelStatistics('nobody'), 'MODEL_NOT_FOUND');
  });

  it('a version that is no number: INVALID_INPUT', async () => {
    await expectCode(client().infer(linear(features(1), { version: 'newest' })), 'INVALID_INPUT');
    await expectCode(client().modelReady('linear', { version: 'newest' }), 'INVALID_INPUT');
  });

  it('another number of features, of dimensions or of rows: WRONG_SHAPE', async () => {
    const send = (shape: number[], length: number) =>
      client().infer({ model: 'linear', inputs: [x(new Float32Array(length), shape)] });
    const error = await expectCode(send([1, 4], 4), 'WRONG_SHAPE');
    expect(error.message).toContain('Expected [-1,3], got [1,4]');
    await expectCode(send([3], 3), 'WRONG_SHAPE');
    await expectCode(send([1, 3, 1], 3), 'WRONG_SHAPE');
    await expectCode(send([0, 3], 0), 'WRONG_SHAPE');
    await expectCode(send([2_049, 3], 2_049 * 3), 'WRONG_SHAPE');
  });

  it('another datatype: WRONG_DTYPE', async () => {
    const input = { name: 'x', datatype: 'INT32', shape: [1, 3], data: new Int32Array(3) } as const;
    const error = await expectCode(client().infer({ model: 'linear', inputs: [input] }), 'WRONG_DTYPE');
    expect(error.message).toContain("'INT32'");
    expect(error.message).toContain("expects 'FP32'");
  });

  it('inputs or outputs that the model does not have, or lacks: INVALID_INPUT', async () => {
    const data = new Float32Array(3);
    await expectCode(
      client().infer({ model: 'linear', inputs: [{ name: 'z', datatype: 'FP32', shape: [1, 3], data }] }),
      'INVALID_INPUT',
    );
    await expectCode(
      client().infer({ model: 'linear', inputs: [x(data), { name: 'z', datatype: 'FP32', shape: [1, 3], data }] }),
      'INVALID_INPUT',
    );
    await expectCode(client().infer({ model: 'identity', inputs: oneOfEach.slice(1) }), 'INVALID_INPUT');
    await expectCode(client().infer(linear(data, { outputs: ['probability'] })), 'INVALID_INPUT');
  });

  it('a run that fails inside the model: SERVER_ERROR, and the server goes on', async () => {
    const index = (value: bigint) =>
      ({ name: 'index', datatype: 'INT64', shape: [1, 1], data: new BigInt64Array([value]) }) as const;
    const error = await expectCode(client().infer({ model: 'picky', inputs: [index(7n)] }), 'SERVER_ERROR');
    expect(error.message).toContain('out of data bounds');
    expect([...outputOf(await client().infer({ model: 'picky', inputs: [index(2n)] }), 'value', 'FP32').data]).toEqual([
      30,
    ]);
  });
}

function describeRepository({ client, target }: Context): void {
  it('lists models with versions and states', async () => {
    expect(await client().repositoryIndex()).toEqual(
      expect.arrayContaining([
        { name: 'linear', version: '1', state: 'READY', reason: '' },
        { name: 'linear', version: '2', state: 'READY', reason: '' },
      ]),
    );
  });

  it('unloads a model, says so, and loads it again', async () => {
    await client().unloadModel('picky');
    // An unload answers before the model is gone.
    await expect
      .poll(async () => (await client().repositoryIndex()).find(({ name }) => name === 'picky'), { timeout: 10_000 })
      .toEqual({ name: 'picky', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' });
    expect((await client().repositoryIndex({ readyOnly: true })).map(({ name }) => name)).not.toContain('picky');
    expect(await client().modelReady('picky')).toBe(false);
    const index = { name: 'index', datatype: 'INT64', shape: [1, 1], data: new BigInt64Array([0n]) } as const;
    const error = await expectCode(client().infer({ model: 'picky', inputs: [index] }), 'MODEL_NOT_READY');
    expect(error.retryable).toBe(true);
    await client().loadModel('picky');
    expect([...outputOf(await client().infer({ model: 'picky', inputs: [index] }), 'value', 'FP32').data]).toEqual([
      10,
    ]);
  });

  it('takes the unloading of an unknown model, and refuses to load it: MODEL_LOAD_FAILED', async () => {
    await client().unloadModel('nobody');
    await expectCode(client().loadModel('nobody'), 'MODEL_LOAD_FAILED');
  });

  it('serves a version that appeared on disk after an explicit load', async () => {
    const folder = path.join(target().repositoryFolder, 'linear');
    await cp(path.join(folder, '1'), path.join(folder, '3'), { recursive: true });
    expect((await client().infer(linear(features(1)))).version).toBe('2');
    await client().loadModel('linear');
    const data = features(2);
    const result = await client().infer(linear(data));
    expect(result.version).toBe('3');
    expect([...outputOf(result, 'y', 'FP32').data]).toEqual(scores(data, 1));
    expect((await client().modelMetadata('linear')).versions).toEqual(['1', '2', '3']);
  });
}

function bitsOf(data: ArrayBufferView): number[] {
  return [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}
