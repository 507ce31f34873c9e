/** The inputs of a request: checked against the model's signature in Triton's words, then handed to ONNX Runtime without a copy where possible. */
import { decodeTensor, decodeTypedContents, type Tensor, textOf } from '@headrace/inference-client';
import type { ModelInferRequest, ModelInferRequest_InferInputTensor } from '@headrace/inference-client/generated';
import { OrtTensor } from './onnx-runtime.ts';
import { invalidArgument } from './rpc-error.ts';
import { reshaped, type Signature, type TensorSignature } from './signature.ts';

export interface Feeds {
  readonly tensors: Readonly<Record<string, OrtTensor>>;
  /** Rows of the request; 1 for a model without a row dimension. */
  readonly rows: number;
}

interface ModelLimits {
  readonly name: string;
  readonly maxBatchSize: number;
}

/** What ONNX Runtime is to be fed with. @throws RpcError INVALID_ARGUMENT */
export function readInputs(request: ModelInferRequest, model: ModelLimits, signature: Signature): Feeds {
  const prefix = `[request id: ${request.id || '<id_unknown>'}] `;
  checkNames(request, prefix, model.name, signature);
  const feeds: [string, OrtTensor][] = [];
  const rowCounts = new Set<number>();
  for (const [index, input] of request.inputs.entries()) {
    const expected = signature.inputs.find(({ name }) => name === input.name) as TensorSignature;
    const shape = input.shape.map(Number);
    checkType(input, prefix, model, expected);
    checkShape(input.name, shape, prefix, model, expected);
    if (model.maxBatchSize > 0) rowCounts.add(shape[0] as number);
    feeds.push([
      input.name,
      toOrtTensor(readTensor(request, input, index, shape, prefix, model.name), expected, prefix),
    ]);
  }
  if (rowCounts.size > 1)
    throw invalidArgument(
      `${prefix}input batch sizes do not match each other for '${model.name}', got ${[...rowCounts].join(', ')}`,
    );
  const [rows = 1] = rowCounts;
  return { tensors: Object.fromEntries(feeds), rows };
}

/** The names of the outputs to compute. @throws RpcError INVALID_ARGUMENT */
export function readOutputNames(request: ModelInferRequest, modelName: string, signature: Signature): string[] {
  const all = signature.outputs.map(({ name }) => name);
  const unknown = request.outputs.find(({ name }) => !all.includes(name));
  if (unknown !== undefined)
    throw invalidArgument(`unexpected inference output '${unknown.name}' for model '${modelName}'`);
  return request.outputs.length === 0 ? all : [...new Set(request.outputs.map(({ name }) => name))];
}

function checkNames({ inputs }: ModelInferRequest, prefix: string, modelName: string, signature: Signature): void {
  const required = signature.inputs.map(({ name }) => name);
  const given = inputs.map(({ name }) => name);
  const unknown = given.find((name) => !required.includes(name));
  if (unknown !== undefined) throw invalidArgument(`unexpected inference input '${unknown}' for model '${modelName}'`);
  const repeated = given.find((name, index) => given.indexOf(name) !== index);
  if (repeated !== undefined) throw invalidArgument(`${prefix}input '${repeated}' already exists in request`);
  const missing = required.filter((name) => !given.includes(name));
  if (missing.length === 0) return;
  const list = (names: string[]) => `[${names.map((name) => `'${name}'`).join(',')}]`;
  throw invalidArgument(
    `${prefix}expected ${required.length} inputs but got ${given.length} inputs for model '${modelName}'. Got input(s) ${list(given)}, but missing required input(s) ${list(missing)}. Please provide all required input(s).`,
  );
}

function checkType(
  { name, datatype }: ModelInferRequest_InferInputTensor,
  prefix: string,
  model: ModelLimits,
  { type }: TensorSignature,
): void {
  if (datatype !== type.wireName)
    throw invalidArgument(
      `${prefix}inference input '${name}' data-type is '${datatype}', but model '${model.name}' expects '${type.wireName}'`,
    );
}

function checkShape(
  input: string,
  shape: readonly number[],
  prefix: string,
  model: ModelLimits,
  expected: TensorSignature,
): void {
  const fits =
    shape.length === expected.shape.length &&
    shape.every(
      (size, index) =>
        Number.isSafeInteger(size) && size >= 0 && (expected.shape[index] === -1 || expected.shape[index] === size),
    );
  if (!fits) {
    const hint =
      model.maxBatchSize > 0
        ? ' NOTE: max_batch_size above 0 puts a row dimension in front of the dims of config.pbtxt.'
        : '';
    throw invalidArgument(
      `${prefix}unexpected shape for input '${input}' for model '${model.name}'. Expected [${expected.shape.join(',')}], got [${shape.join(',')}].${hint}`,
    );
  }
  if (model.maxBatchSize === 0) return;
  const rows = shape[0] as number;
  if (rows > model.maxBatchSize)
    throw invalidArgument(`${prefix}inference request batch-size must be <= ${model.maxBatchSize} for '${model.name}'`);
  if (rows < 1) throw invalidArgument(`${prefix}inference request batch-size must be >= 1 for '${model.name}'`);
}

function readTensor(
  request: ModelInferRequest,
  input: ModelInferRequest_InferInputTensor,
  index: number,
  shape: number[],
  prefix: string,
  modelName: string,
): Tensor {
  const raw = request.rawInputContents[index];
  const isRaw = request.rawInputContents.length > 0;
  if (isRaw && input.contents !== undefined) {
    throw invalidArgument(
      `contents field must not be specified when using raw_input_contents for '${input.name}' for model '${modelName}'`,
    );
  }
  try {
    if (raw !== undefined) return decodeTensor(input.name, input.datatype, shape, raw);
    if (input.contents !== undefined) return decodeTypedContents(input.name, input.datatype, shape, input.contents);
  } catch (error) {
    const reason = (error as Error).message;
    if (error instanceof TypeError)
      throw invalidArgument(
        `unexpected explicit tensor data for input tensor '${input.name}' for model '${modelName}', wrong datatype: ${reason}`,
        error,
      );
    throw invalidArgument(
      `${prefix}input byte size mismatch for input '${input.name}' for model '${modelName}'. ${reason}`,
      error,
    );
  }
  throw invalidArgument(`unable to find data for input tensor '${input.name}' for model '${modelName}' in request.`);
}

function toOrtTensor(tensor: Tensor, { type, shape, inFile }: TensorSignature, prefix: string): OrtTensor {
  const dims = inFile === undefined ? tensor.shape : reshaped(tensor.shape, shape, inFile);
  if (tensor.datatype !== 'BYTES') {
    const made = new OrtTensor(type.ortType as 'float32', tensor.data as Float32Array, dims);
    // From Node 24 on, which has a Float16Array, the JavaScript half of ONNX Runtime makes one of FP16 data, and its native half takes that for empty.
    return type.ortType === 'float16' ? Object.assign(made, { cpuData: tensor.data }) : made;
  }
  // ONNX Runtime takes JavaScript strings: it would cut one at a NUL, and bytes that are not UTF-8 have no string. Refused, never changed.
  let strings: string[];
  try {
    strings = textOf(tensor);
  } catch (error) {
    throw invalidArgument(
      `${prefix}input '${tensor.name}' has an element that is not UTF-8; this server takes only text in BYTES`,
      error,
    );
  }
  if (strings.some((text) => text.includes('\0')))
    throw invalidArgument(
      `${prefix}input '${tensor.name}' has an element with a NUL character; this server takes only text in BYTES`,
    );
  return new OrtTensor('string', strings, dims);
}
