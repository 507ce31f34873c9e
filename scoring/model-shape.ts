import {
  isFixedWidthDatatype,
  type InferenceClient,
  type ModelConfig,
  type ModelMetadataResponse,
} from '@headrace/inference-client';
import type { AnyPipeline } from '../contracts/pipeline.ts';

/** How rows of a pipeline become requests to its model, and answers become numbers again. */
export interface ModelShape {
  input: { name: string; datatype: 'FP32' | 'FP64' /** Of one row. */; rowShape: readonly number[] };
  /** False for a model whose input is one row and nothing more. */
  hasRowDimension: boolean;
  /** The most rows of one call; Infinity when the model names no limit. */
  rowsMax: number;
  /** Each call must have exactly `rowsMax` rows. */
  isFixed: boolean;
  /** Name and datatype of each output that the pipeline declares. */
  outputs: ReadonlyMap<string, string>;
}

/** What the server says of a model. */
export interface DescribedModel {
  metadata: Pick<ModelMetadataResponse, 'inputs' | 'outputs'>;
  config: ModelConfig;
}

/** Asks the server. @throws InferenceError */
export async function describeModel(
  client: Pick<InferenceClient, 'modelMetadata' | 'modelConfig'>,
  { model }: AnyPipeline,
): Promise<DescribedModel> {
  const version = model.version ? { version: model.version } : {};
  const [metadata, config] = await Promise.all([
    client.modelMetadata(model.name, version),
    client.modelConfig(model.name, version),
  ]);
  return { metadata, config };
}

type Tensor = ModelMetadataResponse['inputs'][number];

/** The numbers of these are exact in FP32, or the nearest FP32 is what anybody would want (FP64); those of larger integers are checked one by one. */
const outputDatatypes = [
  'FP32',
  'FP64',
  'FP16',
  'BF16',
  'BOOL',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
];

/** Compares a pipeline with its model. Returns a sentence that says what does not fit and what to do, or how to ask the model. */
export function fitModel(
  { name, model, features }: AnyPipeline,
  { metadata, config }: DescribedModel,
): { mismatch: string } | { shape: ModelShape } {
  const place = `model "${model.name}" of pipeline "${name}"`;
  const width = Object.keys(features).length;
  const input = metadata.inputs.find((each) => each.name === model.input);
  const misfit = (what: string) => ({ mismatch: `${place}${what}` });

  if (config.modelTransactionPolicy?.decoupled)
    return misfit(
      ' is decoupled (it answers a request any number of times), and a pipeline needs one answer: set decoupled to false in its config.pbtxt',
    );
  if (config.sequenceBatching)
    return misfit(
      ' takes its requests in sequences that it remembers (sequence_batching), and the rows of a pipeline stand alone: give it what it needs of earlier events as features',
    );
  if (!input) return misfit(` has no input "${model.input}"; it has ${namesOf(metadata.inputs)}`);
  const others = metadata.inputs.filter(
    (each) => each !== input && !config.input.some((declared) => declared.name === each.name && declared.optional),
  );
  if (others.length > 0) {
    return misfit(
      ` needs the input ${namesOf(others)} beside "${model.input}", and a pipeline fills one input with all its features: export the model with one input of ${width} columns, or make the other optional in config.pbtxt`,
    );
  }
  if (input.datatype !== 'FP32' && input.datatype !== 'FP64')
    return misfit(
      `: input "${model.input}" is ${input.datatype}, and features are numbers with fractions: export the model with an input of FP32 or FP64`,
    );
  const rows = rowsOf(input.shape.map(Number), config.maxBatchSize, width);
  if (!rows)
    return misfit(
      ` takes ${numbersPerRow(input.shape.map(Number))}, and the pipeline has ${width}: retrain the model, or correct "features"`,
    );
  for (const [output, outputWidth] of Object.entries(model.outputs)) {
    const problem = outputProblem(metadata.outputs, output, outputWidth, rows);
    if (problem) return misfit(problem);
  }
  const { rowShape, hasRowDimension, rowsMax, isFixed } = rows;
  const outputs = new Map(
    metadata.outputs
      .filter((each) => Object.hasOwn(model.outputs, each.name))
      .map((each) => [each.name, each.datatype]),
  );
  return {
    shape: {
      input: { name: model.input, datatype: input.datatype, rowShape },
      hasRowDimension,
      rowsMax,
      isFixed,
      outputs,
    },
  };
}

interface Rows {
  rowShape: readonly number[];
  hasRowDimension: boolean;
  rowsMax: number;
  isFixed: boolean;
}

/** Where the rows are in an input of this shape; undefined when features do not fit into it. */
function rowsOf(shape: readonly number[], maxBatchSize: number, width: number): Rows | undefined {
  const [first = 1, ...rest] = shape;
  const rowShape = shape.length > 1 ? filled(rest, width) : undefined;
  if (maxBatchSize > 0) return rowShape && { rowShape, hasRowDimension: true, rowsMax: maxBatchSize, isFixed: false };
  if (rowShape && first === -1) return { rowShape, hasRowDimension: true, rowsMax: Infinity, isFixed: false };
  if (rowShape) return { rowShape, hasRowDimension: true, rowsMax: first, isFixed: true };
  const whole = filled(shape, width);
  return whole && { rowShape: whole, hasRowDimension: false, rowsMax: 1, isFixed: true };
}

/** The shape with its open sizes chosen so that it holds `count` numbers; undefined when it cannot. */
function filled(shape: readonly number[], count: number): number[] | undefined {
  const fixed = shape.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  const lastOpen = shape.lastIndexOf(-1);
  if (lastOpen < 0) return fixed === count ? [...shape] : undefined;
  const open = count / fixed;
  return Number.isInteger(open)
    ? shape.map((size, i) => (size === -1 ? (i === lastOpen ? open : 1) : size))
    : undefined;
}

function outputProblem(
  outputs: readonly Tensor[],
  name: string,
  width: number,
  { rowsMax, isFixed }: Rows,
): string | undefined {
  const found = outputs.find((each) => each.name === name);
  if (!found) return ` has no output "${name}"; it has ${namesOf(outputs)}`;
  if (!outputDatatypes.includes(found.datatype)) {
    const way =
      found.datatype === 'BYTES'
        ? 'leave it out of "outputs" and use one with numbers (for scikit-learn: probabilities, exported with zipmap off)'
        : 'export the model with an output of FP32';
    return `: output "${name}" is ${found.datatype}, and predictions are numbers: ${way}`;
  }
  const shape = found.shape.map(Number);
  const perRow = isFixed ? shape : shape.slice(1);
  // What is open shows with the first answer.
  if (perRow.includes(-1)) return undefined;
  const numbers = perRow.reduce((product, size) => product * size, 1) / (isFixed ? rowsMax : 1);
  if (numbers === width) return undefined;
  return `: output "${name}" has ${numbers} numbers a row (its shape is [${shape.join(', ')}]), and the pipeline says ${width}: write outputs: { ${JSON.stringify(name)}: ${numbers} }`;
}

function namesOf(tensors: readonly Tensor[]): string {
  return tensors.map(({ name }) => `"${name}"`).join(', ');
}

function numbersPerRow(shape: readonly number[]): string {
  const rest = shape.slice(1);
  return rest.length > 0 && !rest.includes(-1)
    ? `${rest.reduce((product, size) => product * size, 1)} features (its shape is [${shape.join(', ')}])`
    : `an input of the shape [${shape.join(', ')}]`;
}

/** The numbers of an output as FP32; undefined when one of them cannot be one: an integer that would be rounded, or text. */
export function predictionsOf(
  datatype: string,
  data: ArrayLike<number | bigint> | readonly unknown[],
): Float32Array | undefined {
  if (data instanceof Float32Array) return data;
  if (!isFixedWidthDatatype(datatype)) return undefined;
  const numbers = data as ArrayLike<number | bigint>;
  if (datatype === 'FP16' || datatype === 'BF16')
    return Float32Array.from(numbers as ArrayLike<number>, datatype === 'FP16' ? fromHalf : fromBrain);
  const predictions = new Float32Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    const number = Number(numbers[i]);
    if (datatype !== 'FP64' && Math.abs(number) > integerMax) return undefined;
    predictions[i] = number;
  }
  return predictions;
}

/** Up to here every integer is an FP32. */
const integerMax = 2 ** 24;

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const brain = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of an FP32. */
function fromBrain(bits: number): number {
  brain.setUint32(0, bits << 16);
  return brain.getFloat32(0);
}
