/** Whether an ONNX file fits its configuration, and what the configuration leaves to be read from the file. */
import type { ModelConfig } from '@headrace/inference-client/generated';
import type { InferenceSession } from 'onnxruntime-node';
import { type OrtType, type TensorType, tensorTypeOf, tensorTypes } from './datatypes.ts';
import { RepositoryError } from './repository.ts';

/** A tensor of a model as the protocol shows it; the shape has the row dimension, -1 is any size. */
export interface TensorSignature {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** The shape in the model's file, where config.pbtxt reshapes the tensor: the same elements in the same order. */
  readonly inFile?: readonly number[];
}

/** A shape in the other form of a reshaped tensor: sizes that are not fixed are taken over in their order. */
export function reshaped(actual: readonly number[], from: readonly number[], to: readonly number[]): number[] {
  const open = actual.filter((_, index) => from[index] === -1);
  return to.map((size) => (size === -1 ? (open.shift() ?? 1) : size));
}

export interface Signature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}

/** What the file has for one tensor; a shape of text is a dimension without a fixed size. */
type InFile = InferenceSession.ValueMetadata;

/**
 * The signature of a model, checked against its file. A configuration that declares no inputs or no outputs takes those of the file, as Triton does.
 *
 * @throws RepositoryError naming the tensor that does not fit
 */
export function signatureOf(config: ModelConfig, file: string, session: InferenceSession): Signature {
  const rows = config.maxBatchSize > 0 ? [-1] : [];
  const declared = (tensors: ModelConfig['input'] | ModelConfig['output']) =>
    tensors.map(
      ({ name, dataType, dims, reshape }): TensorSignature => ({
        name,
        type: tensorTypeOf(dataType),
        shape: [...rows, ...dims.map(Number)],
        ...(reshape && { inFile: [...rows, ...reshape.shape.map(Number)] }),
      }),
    );
  const fit = (kind: 'input' | 'output', tensors: readonly TensorSignature[], inFile: readonly InFile[]) => {
    if (tensors.length === 0) return inFile.map((tensor) => fromFile(config, file, kind, tensor));
    for (const tensor of tensors) checkFit(config, file, kind, tensor, inFile);
    return tensors;
  };
  const inputs = fit('input', declared(config.input), session.inputMetadata);
  const outputs = fit('output', declared(config.output), session.outputMetadata);
  const forgotten = session.inputNames.find((name) => !inputs.some((input) => input.name === name));
  if (forgotten !== undefined)
    throw new RepositoryError(
      `Model '${config.name}': ${file} needs the input '${forgotten}', which config.pbtxt does not declare.`,
    );
  return { inputs, outputs };
}

function fromFile(config: ModelConfig, file: string, kind: 'input' | 'output', tensor: InFile): TensorSignature {
  const type = tensor.isTensor ? tensorTypes.find(({ ortType }) => ortType === tensor.type) : undefined;
  if (!tensor.isTensor || type === undefined) throw notServed(config, file, kind, tensor);
  const shape = tensor.shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
  if (config.maxBatchSize > 0 && shape[0] !== -1) throw fixedRows(config, file, kind, tensor.name, shape);
  // As Triton has it: a row of a tensor without further dimensions is one number.
  if (config.maxBatchSize > 0 && shape.length === 1) return { name: tensor.name, type, shape: [-1, 1], inFile: shape };
  return { name: tensor.name, type, shape };
}

function checkFit(
  config: ModelConfig,
  file: string,
  kind: 'input' | 'output',
  declared: TensorSignature,
  tensors: readonly InFile[],
): void {
  const { name, type, inFile: shape = declared.shape } = declared;
  const tensor = tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) {
    const names = tensors.map((candidate) => `'${candidate.name}'`).join(', ');
    throw new RepositoryError(
      `Model '${config.name}': config.pbtxt declares the ${kind} '${name}', but ${file} has only ${names || 'none'}.`,
    );
  }
  if (!tensor.isTensor) throw notServed(config, file, kind, tensor);
  if (tensor.type !== type.ortType) {
    const actual = tensorTypes.find(({ ortType }) => ortType === (tensor.type as OrtType))?.configName ?? tensor.type;
    throw new RepositoryError(
      `Model '${config.name}': config.pbtxt declares the ${kind} '${name}' as ${type.configName}, but ${file} has ${actual}.`,
    );
  }
  // A file whose exporter left the shape out says nothing to check against.
  if (tensor.shape.length === 0 && shape.length > 0) return;
  const fits =
    tensor.shape.length === shape.length &&
    tensor.shape.every((dimension, index) => typeof dimension !== 'number' || dimension === shape[index]);
  if (fits) return;
  const inFile = tensor.shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
  if (config.maxBatchSize > 0 && inFile.length === shape.length && inFile[0] !== -1)
    throw fixedRows(config, file, kind, name, inFile);
  const rows = config.maxBatchSize > 0 ? ' (with the row dimension that max_batch_size above 0 puts in front)' : '';
  throw new RepositoryError(
    `Model '${config.name}': config.pbtxt gives the ${kind} '${name}' the shape [${shape.join(',')}]${rows}, but ${file} has [${inFile.join(',')}].`,
  );
}

function notServed({ name }: ModelConfig, file: string, kind: string, tensor: InFile): RepositoryError {
  const what = tensor.isTensor
    ? `of the type ${tensor.type}, which is not served here`
    : 'no tensor; export the model without maps and sequences (for scikit-learn: zipmap off)';
  return new RepositoryError(`Model '${name}': the ${kind} '${tensor.name}' of ${file} is ${what}.`);
}

function fixedRows(
  { name, maxBatchSize }: ModelConfig,
  file: string,
  kind: string,
  tensor: string,
  shape: readonly number[],
): RepositoryError {
  return new RepositoryError(
    `Model '${name}': max_batch_size is ${maxBatchSize}, but the ${kind} '${tensor}' of ${file} has the fixed shape [${shape.join(',')}]; export it with a dynamic first dimension, or set max_batch_size to 0 and give the whole shape in dims.`,
  );
}
