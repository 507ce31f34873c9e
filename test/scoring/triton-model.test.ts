import { InferenceError, type InferenceClient, type InferRequest } from '@headrace/inference-client';
import { describe, expect, test } from 'vitest';
import { createTritonModel } from '../../scoring/triton-model.ts';
import { useClient, useModelServer } from '../inference-client/support/servers.ts';
import { expectEveryRow, expectSideBySide, modelRepository, pipelineFor, rowsMax } from '../worker/served-models.ts';

describe('models in the shapes that people have', () => {
  test.each(Object.keys(rowsMax))('%s: every row has its own answer', async (name) => {
    const { address, notLoaded } = await useModelServer({ repositoryFolder: modelRepository });
    expect(notLoaded).toEqual([]);
    await expectEveryRow(address, name);
  });

  test('a matrix for each row, and several outputs, are put side by side', async () => {
    const { address } = await useModelServer({ repositoryFolder: modelRepository });
    await expectSideBySide(address);
  });

  test('an integer that FP32 cannot hold is told as the model being wrong, and not rounded', async () => {
    const { address } = await useModelServer({ repositoryFolder: modelRepository });
    const model = createTritonModel(useClient({ address }), { deadlineMs: 10_000 });
    await expect(model.predict(pipelineFor('count'), Float32Array.of(3e7, 0), 1)).rejects.toMatchObject({
      code: 'MODEL_WRONG',
      message: expect.stringContaining('integer beyond 2^24') as string,
    });
  });
});

/** A server on a clock of its own: a call takes `msPerRow` for each row, and one over the deadline is not answered. */
class SlowServer {
  nowMs = 0;
  msPerRow = 0;
  isSilent = false;
  /** Reported to every call as the version. */
  version = '3';
  fails: InferenceError | undefined;
  readonly calls: number[] = [];
  asked: unknown[] = [];
  /** When the calls so far end: it answers one after another. */
  #busyUntilMs = 0;

  constructor(
    private readonly deadlineMs: number,
    private readonly maxBatchSize: number,
    private readonly firstDim = -1,
  ) {}

  model() {
    const client = {
      infer: (request: InferRequest) => this.#infer(request),
      modelMetadata: (...asked: unknown[]) => this.#metadata(asked),
      modelConfig: () => Promise.resolve({ maxBatchSize: this.maxBatchSize, input: [] }),
    };
    return createTritonModel(client as unknown as InferenceClient, {
      deadlineMs: this.deadlineMs,
      nowMs: () => this.nowMs,
    });
  }

  #metadata(asked: unknown[]) {
    this.asked.push(asked);
    const tensor = (name: string, width: number) => ({
      name,
      datatype: 'FP32',
      shape: [this.firstDim, width].map(BigInt),
    });
    return Promise.resolve({ inputs: [tensor('x', 2)], outputs: [tensor('score', 1)] });
  }

  async #infer({ inputs: [input], version, deadlineMs = this.deadlineMs }: InferRequest) {
    const count = input!.shape[0]!;
    this.calls.push(count);
    if (this.fails) throw this.fails;
    const startedMs = this.nowMs;
    const endMs = Math.max(startedMs, this.#busyUntilMs) + count * this.msPerRow;
    // Calls that are made together begin at the same time.
    await Promise.resolve();
    if (this.isSilent || endMs - startedMs > deadlineMs) {
      this.nowMs = Math.max(this.nowMs, startedMs + deadlineMs);
      throw new InferenceError('DEADLINE_EXCEEDED', 'Deadline exceeded');
    }
    this.#busyUntilMs = endMs;
    this.nowMs = Math.max(this.nowMs, endMs);
    const data = Float32Array.from({ length: count }, (_, row) => Number(input!.data[2 * row]));
    return {
      model: 'm',
      version: version ?? this.version,
      id: '',
      outputs: [{ name: 'score', datatype: 'FP32' as const, shape: [count, 1], data }],
    };
  }
}

const numbered = (count: number) => Float32Array.from({ length: 2 * count }, (_, i) => Math.floor(i / 2));

describe('a batch is cut to what the model answers within its deadline', () => {
  test.each([1, 20, 300, 1_900])(
    '%i ms a row: every row is answered, and the next batch is cut right at once',
    async (msPerRow) => {
      const server = new SlowServer(2_000, 2_048);
      server.msPerRow = msPerRow;
      const model = server.model();
      const pipeline = pipelineFor('m');
      const { predictions } = await model.predict(pipeline, numbered(300), 300);
      expect(predictions).toEqual(Float32Array.from({ length: 300 }, (_, row) => row));
      const before = server.nowMs;
      server.calls.length = 0;
      await model.predict(pipeline, numbered(300), 300);
      // Nothing was asked for in vain: the time is what the rows take.
      expect(server.nowMs - before).toBe(300 * msPerRow);
    },
  );

  test('a fast model is asked for all rows at once', async () => {
    const server = new SlowServer(2_000, 2_048);
    server.msPerRow = 0.1;
    await server.model().predict(pipelineFor('m'), numbered(2_000), 2_000);
    expect(server.calls).toEqual([2_000]);
  });

  test('a model that takes one row at a time and is slow is not asked for more side by side than it answers in time', async () => {
    const server = new SlowServer(2_000, 0, 1);
    server.msPerRow = 600;
    const { predictions } = await server.model().predict(pipelineFor('m'), numbered(9), 9);
    expect(predictions).toEqual(Float32Array.from({ length: 9 }, (_, row) => row));
    expect(server.calls).toHaveLength(9);
  });

  test('a server that answers nothing is away after two deadlines, however large the batch', async () => {
    const server = new SlowServer(2_000, 2_048);
    server.isSilent = true;
    await expect(server.model().predict(pipelineFor('m'), numbered(2_000), 2_000)).rejects.toMatchObject({
      code: 'MODEL_UNAVAILABLE',
    });
    expect(server.calls).toEqual([2_000, 1]);
    expect(server.nowMs).toBe(4_000);
  });

  test.each([1, 2_000])('with a fallback it is away after one deadline, for %i rows', async (rows) => {
    const server = new SlowServer(10_000, 2_048);
    server.isSilent = true;
    const pipeline = pipelineFor('m', { fallback: () => ({ score: 0 }) });
    await expect(server.model().predict(pipeline, numbered(rows), rows)).rejects.toMatchObject({
      code: 'MODEL_UNAVAILABLE',
    });
    expect(server.nowMs).toBe(10_000);
  });

  test('with a fallback, too, a batch that is too much at once is cut until all of it is answered', async () => {
    const server = new SlowServer(10_000, 2_048);
    server.msPerRow = 300;
    const pipeline = pipelineFor('m', { fallback: () => ({ score: 0 }) });
    const { predictions } = await server.model().predict(pipeline, numbered(300), 300);
    expect(predictions).toEqual(Float32Array.from({ length: 300 }, (_, row) => row));
  });

  test('calls grow again when the model is fast again', async () => {
    const server = new SlowServer(2_000, 2_048);
    const model = server.model();
    const pipeline = pipelineFor('m');
    server.msPerRow = 100;
    await model.predict(pipeline, numbered(100), 100);
    expect(await model.rowsMax(pipeline)).toBe(10);
    server.msPerRow = 0.1;
    await model.predict(pipeline, numbered(2_000), 2_000);
    server.calls.length = 0;
    await model.predict(pipeline, numbered(2_000), 2_000);
    expect(Math.max(...server.calls)).toBeGreaterThan(500);
  });
});

describe('what the model says of itself', () => {
  test('is asked for by name and version, once, and again when a call contradicts it', async () => {
    const server = new SlowServer(2_000, 8);
    const model = server.model();
    const pipeline = pipelineFor('m');
    const pinned = { ...pipeline, model: { ...pipeline.model, version: '3' } };
    expect(await model.rowsMax(pinned)).toBe(8);
    await model.predict(pinned, numbered(1), 1);
    expect(server.asked).toEqual([['m', { version: '3' }]]);
    server.fails = new InferenceError('WRONG_SHAPE', 'batch-size must be <= 4');
    await expect(model.predict(pinned, numbered(1), 1)).rejects.toMatchObject({ code: 'MODEL_WRONG' });
    server.fails = undefined;
    await model.predict(pinned, numbered(1), 1);
    expect(server.asked).toHaveLength(2);
  });

  test('that does not fit is a wrong model, before any row is sent', async () => {
    const server = new SlowServer(2_000, 8);
    const pipeline = pipelineFor('m', { outputs: { score: 2 } });
    await expect(server.model().predict(pipeline, numbered(1), 1)).rejects.toMatchObject({
      code: 'MODEL_WRONG',
      message: expect.stringContaining('output "score" has 1 numbers a row') as string,
    });
    expect(server.calls).toEqual([]);
  });

  test.each([
    ['SERVER_UNAVAILABLE', 'MODEL_UNAVAILABLE'],
    ['MODEL_NOT_FOUND', 'MODEL_MISSING'],
    ['MODEL_NOT_READY', 'MODEL_UNAVAILABLE'],
    ['INVALID_INPUT', 'MODEL_REFUSED_ROW'],
    ['ACCESS_DENIED', 'MODEL_WRONG'],
  ] as const)('%s is %s for the batch', async (code, expected) => {
    const refusing = {
      modelMetadata: () => Promise.reject(new InferenceError(code, 'no')),
      modelConfig: () => Promise.resolve({}),
    } as unknown as InferenceClient;
    const model = createTritonModel(refusing, { deadlineMs: 2_000 });
    await expect(model.rowsMax(pipelineFor('m'))).rejects.toMatchObject({ name: 'HeadraceError', code: expected });
    await expect(model.predict(pipelineFor('m'), numbered(1), 1)).rejects.toMatchObject({
      name: 'HeadraceError',
      code: expected,
    });
  });
});
