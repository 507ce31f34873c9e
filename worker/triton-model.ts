import { InferenceError, type InferenceClient, type InferenceErrorCode, type Tensor } from '@headrace/inference-client';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { ModelPort } from '../activities/ports.ts';

/** What each of the client's codes means for a batch. Those not named here mean that a setting is wrong. */
const failureCodes: Partial<Record<InferenceErrorCode, FailureCode>> = {
  SERVER_UNAVAILABLE: 'MODEL_UNAVAILABLE',
  DEADLINE_EXCEEDED: 'MODEL_UNAVAILABLE',
  QUEUE_FULL: 'MODEL_UNAVAILABLE',
  MODEL_NOT_READY: 'MODEL_UNAVAILABLE',
  BREAKER_OPEN: 'MODEL_UNAVAILABLE',
  // It may be the content or the moment; asking again for fewer rows tells.
  SERVER_ERROR: 'MODEL_REFUSED_ROW',
  INVALID_INPUT: 'MODEL_REFUSED_ROW',
};

/** The Triton server behind the port that activities decide with. */
export function createTritonModel(client: InferenceClient): ModelPort {
  return {
    async predict(pipeline, features, rows) {
      try {
        const { version, outputs } = await client.inferRows(request(pipeline, features, rows));
        return { version, predictions: interleave(pipeline, outputs, rows) };
      } catch (error) {
        throw forBatch(error);
      }
    },
    async rowsMax({ model }) {
      try {
        return await client.rowsMax(model.name, { ...(model.version && { version: model.version }) });
      } catch (error) {
        throw forBatch(error);
      }
    },
  };
}

/** What the client threw, in the words of the port. */
function forBatch(error: unknown): unknown {
  if (!(error instanceof InferenceError)) return error;
  return new HeadraceError(failureCodes[error.code] ?? 'MODEL_WRONG', error.message, { cause: error });
}

/**
 * Compares a pipeline with its model as the server describes it. Answers a sentence that says what does not fit, or undefined.
 * Throws an InferenceError when the server cannot be asked.
 */
export async function modelMismatch(client: InferenceClient, { name, model, features }: AnyPipeline): Promise<string | undefined> {
  const { inputs, outputs } = await client.modelMetadata(model.name, { ...(model.version && { version: model.version }) });
  const width = Object.keys(features).length;
  const input = inputs.find((each) => each.name === model.input);
  const place = `model "${model.name}" of pipeline "${name}"`;
  if (!input) return `${place} has no input "${model.input}"; it has ${inputs.map((each) => each.name).join(', ')}`;
  if (input.datatype !== 'FP32') return `${place}: input "${model.input}" is ${input.datatype}, and features are FP32`;
  if (Number(input.shape.at(-1)) !== width && Number(input.shape.at(-1)) !== -1) {
    return `${place} takes ${input.shape.at(-1)} features, and the pipeline has ${width}: retrain the model, or correct "features"`;
  }
  for (const [output, outputWidth] of Object.entries(model.outputs)) {
    const found = outputs.find((each) => each.name === output);
    if (!found) return `${place} has no output "${output}"; it has ${outputs.map((each) => each.name).join(', ')}`;
    if (found.datatype !== 'FP32') return `${place}: output "${output}" is ${found.datatype}, and predictions are FP32`;
    const last = Number(found.shape.at(-1));
    if (found.shape.length > 1 && last > 0 && last !== outputWidth) return `${place}: output "${output}" has ${last} numbers a row, and the pipeline says ${outputWidth}`;
  }
  return undefined;
}

function request({ model, features: declared }: AnyPipeline, features: Float32Array, rows: number) {
  return {
    model: model.name,
    ...(model.version && { version: model.version }),
    inputs: [{ name: model.input, datatype: 'FP32' as const, shape: [rows, Object.keys(declared).length], data: features }],
    outputs: Object.keys(model.outputs),
  };
}

/** The outputs side by side, row by row. */
function interleave({ model }: AnyPipeline, tensors: readonly Tensor[], rows: number): Float32Array {
  const outputs = Object.entries(model.outputs).map(([name, width]) => {
    const tensor = tensors.find((each) => each.name === name);
    if (!(tensor?.data instanceof Float32Array) || tensor.data.length !== rows * width) {
      throw new HeadraceError('MODEL_WRONG', `output "${name}" of model "${model.name}" is ${tensor ? `${tensor.datatype} ${JSON.stringify(tensor.shape)}` : 'missing'}, expected FP32 [${rows}, ${width}]`);
    }
    return { data: tensor.data, width };
  });
  if (outputs.length === 1) return outputs[0]!.data;
  const widthOfAll = outputs.reduce((sum, { width }) => sum + width, 0);
  const predictions = new Float32Array(rows * widthOfAll);
  for (let row = 0; row < rows; row++) {
    let at = row * widthOfAll;
    for (const { data, width } of outputs) {
      predictions.set(data.subarray(row * width, (row + 1) * width), at);
      at += width;
    }
  }
  return predictions;
}
