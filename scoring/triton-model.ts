import {
  InferenceError,
  type InferenceClient,
  type InferenceErrorCode,
  type InferResult,
  type InputTensor,
} from '@headrace/inference-client';
import type { ModelPort } from './ports.ts';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { CallSize } from './call-size.ts';
import { describeModel, fitModel, predictionsOf, type ModelShape } from './model-shape.ts';

/** What each of the client's codes means for a batch. Those not named here mean that a setting is wrong. */
const failureCodes: Partial<Record<InferenceErrorCode, FailureCode>> = {
  SERVER_UNAVAILABLE: 'MODEL_UNAVAILABLE',
  DEADLINE_EXCEEDED: 'MODEL_UNAVAILABLE',
  QUEUE_FULL: 'MODEL_UNAVAILABLE',
  MODEL_NOT_READY: 'MODEL_UNAVAILABLE',
  BREAKER_OPEN: 'MODEL_UNAVAILABLE',
  MODEL_NOT_FOUND: 'MODEL_MISSING',
  // It may be the content or the moment; asking again for fewer rows tells.
  SERVER_ERROR: 'MODEL_REFUSED_ROW',
  INVALID_INPUT: 'MODEL_REFUSED_ROW',
};

/** A model's shape changes only when somebody loads another one under its name. */
const shapeMsMax = 60_000;

export interface TritonModelOptions {
  /** The deadline of one call, the client's own: what a call is cut to. */
  deadlineMs: number;
  /** Milliseconds that never go back. @default performance.now */
  nowMs?: () => number;
}

/**
 * While a fallback stands by, a server that does not answer costs one deadline and not two: the call that may have been too much is given
 * up after this share of it, and the smallest call, which tells why, gets the rest.
 */
const patience = 0.75;

/** What is known of one pipeline's model. */
interface Known {
  size: CallSize;
  shape?: { is: ModelShape; untilMs: number };
}

/** The Triton server behind the port that activities decide with. */
export function createTritonModel(
  client: InferenceClient,
  { deadlineMs, nowMs = () => performance.now() }: TritonModelOptions,
): ModelPort {
  const known = new WeakMap<AnyPipeline, Known>();

  function knownOf(pipeline: AnyPipeline): Known {
    const found = known.get(pipeline) ?? { size: new CallSize(deadlineMs) };
    known.set(pipeline, found);
    return found;
  }

  async function shapeOf(pipeline: AnyPipeline): Promise<ModelShape> {
    const entry = knownOf(pipeline);
    if (entry.shape && nowMs() < entry.shape.untilMs) return entry.shape.is;
    const fit = fitModel(pipeline, await describeModel(client, pipeline));
    if ('mismatch' in fit) throw new HeadraceError('MODEL_WRONG', fit.mismatch);
    entry.shape = { is: fit.shape, untilMs: nowMs() + shapeMsMax };
    return fit.shape;
  }

  /** What was thrown, in the words of the port. What contradicts the shape that we know says that it is another one now. */
  function forBatch(pipeline: AnyPipeline, error: unknown): unknown {
    if (error instanceof HeadraceError && error.code === 'MODEL_WRONG') delete knownOf(pipeline).shape;
    if (!(error instanceof InferenceError)) return error;
    if (['WRONG_SHAPE', 'WRONG_DTYPE', 'INVALID_INPUT', 'MODEL_NOT_FOUND'].includes(error.code))
      delete knownOf(pipeline).shape;
    return new HeadraceError(failureCodes[error.code] ?? 'MODEL_WRONG', error.message, { cause: error });
  }

  return {
    async predict(pipeline, features, rows) {
      try {
        return await new Calls(
          client,
          pipeline,
          await shapeOf(pipeline),
          knownOf(pipeline).size,
          deadlineMs,
          nowMs,
        ).predict(features, rows);
      } catch (error) {
        throw forBatch(pipeline, error);
      }
    },
    async rowsMax(pipeline) {
      try {
        const { rowsMax, isFixed } = await shapeOf(pipeline);
        return isFixed ? rowsMax : Math.min(rowsMax, knownOf(pipeline).size.rows);
      } catch (error) {
        throw forBatch(pipeline, error);
      }
    },
  };
}

interface Range {
  from: number;
  count: number;
}

/** The calls of one prediction: as many as the model's limits and its speed ask for, all answered by one version. */
class Calls {
  #version: string | undefined;
  #features: Float32Array = new Float32Array();
  #predictions = new Float32Array();
  readonly #outputs: { name: string; width: number; at: number }[];
  readonly #widthOfAll: number;
  readonly #width: number;

  constructor(
    private readonly client: Pick<InferenceClient, 'infer'>,
    private readonly pipeline: AnyPipeline,
    private readonly shape: ModelShape,
    private readonly size: CallSize,
    private readonly deadlineMs: number,
    private readonly nowMs: () => number,
  ) {
    this.#version = pipeline.model.version;
    this.#width = Object.keys(pipeline.features).length;
    let at = 0;
    this.#outputs = Object.entries(pipeline.model.outputs).map(([name, width]) => ({
      name,
      width,
      at: (at += width) - width,
    }));
    this.#widthOfAll = at;
  }

  async predict(features: Float32Array, rows: number): Promise<{ version: string; predictions: Float32Array }> {
    this.#features = features;
    this.#predictions = new Float32Array(rows * this.#widthOfAll);
    for (let from = 0; from < rows; ) {
      const ranges = this.#nextRanges(from, rows);
      const startedMs = this.nowMs();
      const failed = (
        await Promise.allSettled(
          ranges.map((range) =>
            this.#ask(range, this.#mayAskLess(ranges) ? this.deadlineMs * this.#patience : this.deadlineMs),
          ),
        )
      ).find((result) => result.status === 'rejected');
      if (failed) from += await this.#askLess(from, ranges, failed.reason, this.nowMs() - startedMs);
      else from += ranges.reduce((sum, { count }) => sum + count, 0);
    }
    return { version: this.#version ?? '', predictions: this.#predictions };
  }

  /** One call, or several side by side; alone until a version has answered, which the others then are pinned to. */
  #nextRanges(from: number, rows: number): Range[] {
    const { rowsMax, isFixed } = this.shape;
    const perCall = isFixed ? rowsMax : Math.min(rowsMax, this.size.rows);
    const calls = this.#version === undefined || perCall < rowsMax ? 1 : this.size.sideBySide;
    const ranges: Range[] = [];
    for (let at = from; at < rows && ranges.length < calls; at += perCall)
      ranges.push({ from: at, count: Math.min(perCall, rows - at) });
    return ranges;
  }

  /**
   * Calls that were not answered in time may have been too much at once: the smallest call tells that from a server that is away. Returns
   * the number of rows that it answered; throws when it does not, or when more or fewer rows make no difference.
   */
  async #askLess(from: number, ranges: readonly Range[], reason: unknown, ms: number): Promise<number> {
    const { count } = ranges[0]!;
    const isTooMuch =
      reason instanceof InferenceError &&
      (reason.code === 'DEADLINE_EXCEEDED' || reason.code === 'TOO_LARGE') &&
      this.#mayAskLess(ranges);
    if (!isTooMuch) throw reason;
    this.size.tooMuch(count, ms);
    const smallest = { from, count: Math.min(this.#least, count) };
    this.size.tried(
      smallest.count,
      await this.#ask(smallest, this.#patience < 1 ? this.deadlineMs * (1 - this.#patience) : this.deadlineMs),
    );
    return smallest.count;
  }

  get #patience(): number {
    return this.pipeline.model.fallback ? patience : 1;
  }

  /** Rows of the smallest call. */
  get #least(): number {
    return this.shape.isFixed ? this.shape.rowsMax : 1;
  }

  #mayAskLess(ranges: readonly Range[]): boolean {
    return ranges.length > 1 || ranges[0]!.count > this.#least;
  }

  /** Asks for a range of rows and keeps the answer. Returns how long it took. */
  async #ask(range: Range, deadlineMs: number): Promise<number> {
    const { model } = this.pipeline;
    const startedMs = this.nowMs();
    const result = await this.client.infer({
      model: model.name,
      ...(this.#version && { version: this.#version }),
      inputs: [this.#input(range)],
      outputs: Object.keys(model.outputs),
      deadlineMs,
    });
    const ms = this.nowMs() - startedMs;
    this.size.took(range.count, ms);
    if (this.#version !== undefined && this.#version !== '' && result.version !== this.#version) {
      throw new HeadraceError(
        'MODEL_UNAVAILABLE',
        `model "${model.name}" changed from version ${this.#version} to ${result.version} within a call for its rows`,
      );
    }
    this.#version = result.version;
    this.#keep(range, result);
    return ms;
  }

  /** A call that must have more rows than there are repeats the last one. */
  #input({ from, count }: Range): InputTensor {
    const { input, isFixed, hasRowDimension, rowsMax } = this.shape;
    const asked = isFixed ? rowsMax : count;
    const rows = this.#features.subarray(from * this.#width, (from + count) * this.#width);
    let data: Float32Array = rows;
    if (asked > count) {
      data = new Float32Array(asked * this.#width);
      data.set(rows);
      for (let row = count; row < asked; row++) data.set(rows.subarray((count - 1) * this.#width), row * this.#width);
    }
    const shape = hasRowDimension ? [asked, ...input.rowShape] : [...input.rowShape];
    return input.datatype === 'FP64'
      ? { name: input.name, datatype: 'FP64', shape, data: Float64Array.from(data) }
      : { name: input.name, datatype: 'FP32', shape, data };
  }

  /** The outputs side by side, row by row. */
  #keep({ from, count }: Range, result: InferResult): void {
    const { model } = this.pipeline;
    const asked = this.shape.isFixed ? this.shape.rowsMax : count;
    for (const { name, width, at } of this.#outputs) {
      const tensor = result.outputs.find((each) => each.name === name);
      const datatype = this.shape.outputs.get(name);
      if (tensor?.data.length !== asked * width || tensor.datatype !== datatype) {
        const is = tensor ? `${tensor.datatype} ${JSON.stringify(tensor.shape)}` : 'missing';
        throw new HeadraceError(
          'MODEL_WRONG',
          `output "${name}" of model "${model.name}" is ${is}, expected ${datatype} with ${width} numbers for each of ${asked} rows`,
        );
      }
      const numbers = predictionsOf(tensor.datatype, tensor.data);
      if (!numbers)
        throw new HeadraceError(
          'MODEL_WRONG',
          `output "${name}" of model "${model.name}" has an integer beyond 2^24 or no numbers, and predictions are FP32`,
        );
      if (width === this.#widthOfAll) this.#predictions.set(numbers.subarray(0, count * width), from * width);
      else
        for (let row = 0; row < count; row++)
          this.#predictions.set(numbers.subarray(row * width, (row + 1) * width), (from + row) * this.#widthOfAll + at);
    }
  }
}
