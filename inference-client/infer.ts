/** The messages of ModelInfer: from typed tensors, and back to them. Nothing here touches the network. */
import type { Datatype } from './datatypes.ts';
import { type ErrorPlace, InferenceError } from './errors.ts';
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  ModelInferResponse_InferOutputTensor,
} from './generated/inference.ts';
import { decodeTensor, encodeTensor, type InputTensor, type Tensor } from './tensors.ts';
import { decodeTypedContents } from './typed-contents.ts';

/** A value that the server's scheduler reads, such as `{ priority: 1, timeout: 50_000 }`. Whole numbers travel as int64. */
export type RequestParameter = boolean | number | bigint | string;

export interface InferRequest {
  readonly model: string;
  /** A version's number as text. @default the server's choice: the highest that is ready */
  readonly version?: string;
  /** Comes back in the result and stands in the server's log. */
  readonly id?: string;
  readonly inputs: readonly InputTensor[];
  /** Names of the outputs to return. @default all of them */
  readonly outputs?: readonly string[];
  readonly parameters?: Readonly<Record<string, RequestParameter>>;
  /** @default the client's deadlineMs */
  readonly deadlineMs?: number;
  /** Headers of this call, beside the client's. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Gives the call up. */
  readonly signal?: AbortSignal;
}

export interface InferResult {
  readonly model: string;
  /** The version that really answered. */
  readonly version: string;
  readonly id: string;
  readonly outputs: readonly Tensor[];
}

/**
 * The message for a request. Input data is not copied.
 *
 * @throws InferenceError WRONG_DTYPE, WRONG_SHAPE or INVALID_INPUT for what no server could take
 */
export function toInferMessage(request: InferRequest, place: ErrorPlace): ModelInferRequest {
  const { model, version = '', id = '', inputs, outputs = [], parameters = {} } = request;
  const names = inputs.map(({ name }) => name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new InferenceError('INVALID_INPUT', `input '${repeated}' is given twice`, place);
  if (inputs.length === 0) throw new InferenceError('INVALID_INPUT', 'there are no inputs', place);
  return {
    modelName: model,
    modelVersion: version,
    id,
    parameters: new Map(Object.entries(parameters).map(([name, value]) => [name, toParameter(value)])),
    rawInputContents: inputs.map((input) => encodeOrExplain(input, place)),
    inputs: inputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape.map(BigInt),
      parameters: new Map(),
      contents: undefined,
    })),
    outputs: outputs.map((name) => ({ name, parameters: new Map() })),
  };
}

/**
 * The typed result of a response; outputs are views on it where the alignment allows.
 *
 * @throws InferenceError BAD_RESPONSE when the response contradicts itself or lacks an output that was asked for
 */
export function fromInferMessage(
  response: ModelInferResponse,
  requested: readonly string[],
  place: ErrorPlace,
): InferResult {
  const { outputs, rawOutputContents } = response;
  if (rawOutputContents.length > 0 && rawOutputContents.length !== outputs.length) {
    throw new InferenceError(
      'BAD_RESPONSE',
      `the answer has ${outputs.length} outputs and the raw data of ${rawOutputContents.length}`,
      place,
    );
  }
  const missing = requested.find((name) => !outputs.some((output) => output.name === name));
  if (missing !== undefined)
    throw new InferenceError('BAD_RESPONSE', `the answer lacks the output '${missing}'`, place);
  try {
    return {
      model: response.modelName,
      version: response.modelVersion,
      id: response.id,
      outputs: outputs.map((output, index) => decodeOutput(output, rawOutputContents[index])),
    };
  } catch (error) {
    throw new InferenceError('BAD_RESPONSE', reasonOf(error), place, error);
  }
}

/**
 * The data of one output, with the type that the caller relies on.
 *
 * @throws InferenceError BAD_RESPONSE when the result has no such output or it has another type
 */
export function outputOf<D extends Datatype>(result: InferResult, name: string, datatype: D): Tensor<D> {
  const place = { model: result.model, version: result.version };
  const tensor = result.outputs.find((output) => output.name === name);
  if (tensor === undefined) {
    throw new InferenceError(
      'BAD_RESPONSE',
      `there is no output '${name}', only ${result.outputs.map((output) => `'${output.name}'`).join(', ') || 'none'}`,
      place,
    );
  }
  if (tensor.datatype !== datatype)
    throw new InferenceError('BAD_RESPONSE', `output '${name}' is ${tensor.datatype}, not ${datatype}`, place);
  return tensor as Tensor<D>;
}

function decodeOutput(output: ModelInferResponse_InferOutputTensor, raw: Uint8Array | undefined): Tensor {
  const shape = output.shape.map(Number);
  if (raw !== undefined) return decodeTensor(output.name, output.datatype, shape, raw);
  if (output.contents === undefined) throw new RangeError(`output '${output.name}' came without data`);
  return decodeTypedContents(output.name, output.datatype, shape, output.contents);
}

function encodeOrExplain(input: InputTensor, place: ErrorPlace): Uint8Array {
  try {
    return encodeTensor(input);
  } catch (error) {
    throw new InferenceError(
      error instanceof RangeError ? 'WRONG_SHAPE' : 'WRONG_DTYPE',
      reasonOf(error),
      place,
      error,
    );
  }
}

function toParameter(value: RequestParameter): InferParameter {
  if (typeof value === 'boolean') return { parameterChoice: { $case: 'boolParam', boolParam: value } };
  if (typeof value === 'string') return { parameterChoice: { $case: 'stringParam', stringParam: value } };
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    return { parameterChoice: { $case: 'doubleParam', doubleParam: value } };
  return { parameterChoice: { $case: 'int64Param', int64Param: BigInt(value) } };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
