/**
 * config.pbtxt -> ModelConfig: which fields there are, which of them this server serves, and one clear sentence for what is wrong.
 *
 * Fields that only tune Triton (instance groups, dynamic batching, optimization, ...) are accepted and have no effect here. Fields that change what a
 * model computes or how it answers and that we do not serve (ensembles, sequences, several answers to one request) are refused: ignoring them
 * would give other answers.
 */
import type {
  DataType,
  ModelConfig,
  ModelInput,
  ModelOutput,
  ModelVersionPolicy,
} from '@headrace/inference-client/generated';
import { tensorTypes } from './datatypes.ts';
import { type Message, parseTextFormat, TextFormatError, type Value } from './text-format.ts';

/** The configuration is not usable; the message is a sentence that names the file. */
export class ModelConfigError extends Error {
  override readonly name = 'ModelConfigError';
}

const tuningFields = new Set([
  'optimization',
  'dynamic_batching',
  'instance_group',
  'cc_model_filenames',
  'metric_tags',
  'model_warmup',
  'model_operations',
  'model_repository_agents',
  'response_cache',
  'model_metrics',
  'runtime',
]);
const refusedFields = new Set(['ensemble_scheduling', 'sequence_batching', 'batch_input', 'batch_output']);
const servedFields = new Set([
  'name',
  'platform',
  'backend',
  'max_batch_size',
  'input',
  'output',
  'version_policy',
  'default_model_filename',
  'parameters',
  'model_transaction_policy',
]);
/** Windows editors begin a file with it. */
const byteOrderMark = '\uFEFF';

/**
 * Reads and checks a configuration.
 *
 * @param path names the file in messages
 * @param folderName the model's folder, which is its name
 * @throws ModelConfigError
 */
export function parseModelConfig(source: string, path: string, folderName: string): ModelConfig {
  try {
    return readConfig(parseTextFormat(source.startsWith(byteOrderMark) ? source.slice(1) : source), folderName);
  } catch (error) {
    if (error instanceof TextFormatError || error instanceof ModelConfigError)
      throw new ModelConfigError(`${path}: ${error.message}.`, { cause: error });
    throw error;
  }
}

function readConfig(message: Message, folderName: string): ModelConfig {
  for (const [name, values] of message.fields) {
    if (refusedFields.has(name)) fail(values[0], `${name} is not served here; use a Triton server for this model`);
    if (!servedFields.has(name) && !tuningFields.has(name)) fail(values[0], `there is no field '${name}'`);
  }
  const name = textOf(message, 'name') ?? folderName;
  if (name !== folderName)
    fail(one(message, 'name'), `name is '${name}', but the folder is '${folderName}'; they must be the same`);
  const platform = textOf(message, 'platform') ?? '';
  const backend = textOf(message, 'backend') ?? '';
  const defaultModelFilename = textOf(message, 'default_model_filename') ?? 'model.onnx';
  // Triton tells it from the file where neither is given.
  const isOnnx =
    platform === 'onnxruntime_onnx' ||
    backend === 'onnxruntime' ||
    (platform === '' && backend === '' && defaultModelFilename.endsWith('.onnx'));
  if (!isOnnx) {
    fail(
      one(message, 'platform') ?? one(message, 'backend'),
      `platform must be "onnxruntime_onnx" or backend "onnxruntime", got "${platform || backend}"; this server runs ONNX models only, so use a Triton server for this model`,
    );
  }
  refuseDecoupled(message);
  const maxBatchSize = numberOf(message, 'max_batch_size') ?? 0;
  if (maxBatchSize < 0) fail(one(message, 'max_batch_size'), 'max_batch_size must be 0 or more');
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    versionPolicy: versionPolicyOf(message),
    maxBatchSize,
    input: tensorsOf(message, 'input').map((tensor): ModelInput => ({ ...tensor, optional: false })),
    output: tensorsOf(message, 'output').map((tensor): ModelOutput => ({ ...tensor, labelFilename: '' })),
    defaultModelFilename,
    sequenceBatching: undefined,
    modelTransactionPolicy: undefined,
    parameters: new Map(
      messagesOf(message, 'parameters').map((entry) => {
        const value = messagesOf(entry, 'value')[0];
        return [textOf(entry, 'key') ?? '', { stringValue: (value && textOf(value, 'string_value')) ?? '' }];
      }),
    ),
  };
}

function refuseDecoupled(message: Message): void {
  const [policy] = messagesOf(message, 'model_transaction_policy');
  if (policy === undefined || !['true', 't', '1', 'True'].includes(wordOf(policy, 'decoupled') ?? 'false')) return;
  fail(
    policy,
    'a decoupled transaction policy (any number of answers to one request) is not served here; leave it out, or use a Triton server for this model',
  );
}

function versionPolicyOf(message: Message): ModelVersionPolicy {
  const policy = messagesOf(message, 'version_policy')[0];
  const [choice, ...more] = policy ? [...policy.fields.keys()] : [];
  if (policy === undefined || choice === undefined)
    return { policyChoice: { $case: 'latest', latest: { numVersions: 1 } } };
  if (more.length > 0) fail(policy, `version_policy has both ${choice} and ${more.join(', ')}; choose one`);
  const [body] = messagesOf(policy, choice);
  if (choice === 'all') return { policyChoice: { $case: 'all', all: {} } };
  if (choice === 'latest' && body !== undefined) {
    const numVersions = numberOf(body, 'num_versions') ?? 1;
    if (numVersions < 1) fail(body, 'version_policy.latest.num_versions must be at least 1');
    return { policyChoice: { $case: 'latest', latest: { numVersions } } };
  }
  if (choice === 'specific' && body !== undefined) {
    const versions = numbersOf(body, 'versions');
    if (versions.length === 0 || versions.some((version) => version < 1))
      fail(body, 'version_policy.specific.versions must list version numbers of 1 or more');
    return { policyChoice: { $case: 'specific', specific: { versions: versions.map(BigInt) } } };
  }
  return fail(policy, `version_policy must be latest, all or specific, got '${choice}'`);
}

function tensorsOf(
  message: Message,
  field: 'input' | 'output',
): { name: string; dataType: DataType; dims: bigint[]; reshape: { shape: bigint[] } | undefined }[] {
  const tensors = messagesOf(message, field).map((tensor) => {
    const name = textOf(tensor, 'name');
    if (name === undefined || name === '') return fail(tensor, `an ${field} has no name`);
    const typeName = wordOf(tensor, 'data_type');
    const type = tensorTypes.find(({ configName }) => configName === typeName);
    if (type === undefined)
      return fail(
        tensor,
        `${field} '${name}': data_type must be one of ${tensorTypes.map(({ configName }) => configName).join(', ')}, got '${typeName ?? 'nothing'}'`,
      );
    const dims = numbersOf(tensor, 'dims');
    if (dims.some((dim) => dim < 1 && dim !== -1))
      fail(tensor, `${field} '${name}': each of dims must be 1 or more, or -1 for any size, got [${dims.join(', ')}]`);
    return {
      name,
      dataType: type.dataType,
      dims: dims.map(BigInt),
      reshape: reshapeOf(tensor, `${field} '${name}'`, dims),
    };
  });
  const names = tensors.map(({ name }) => name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) fail(message.fields.get(field)?.[0], `${field} '${repeated}' is declared twice`);
  return tensors;
}

/** How the file has the tensor, where that differs from what `dims` shows to callers; the elements are the same ones, in the same order. */
function reshapeOf(tensor: Message, what: string, dims: readonly number[]): { shape: bigint[] } | undefined {
  const [reshape] = messagesOf(tensor, 'reshape');
  if (reshape === undefined) return undefined;
  const shape = numbersOf(reshape, 'shape');
  if (shape.some((dim) => dim < 1 && dim !== -1))
    fail(reshape, `${what}: each of reshape.shape must be 1 or more, or -1 for any size, got [${shape.join(', ')}]`);
  const fixed = (sizes: readonly number[]) => sizes.filter((size) => size !== -1);
  const count = (sizes: readonly number[]) => fixed(sizes).reduce((product, size) => product * size, 1);
  if (count(shape) !== count(dims) || fixed(shape).length - shape.length !== fixed(dims).length - dims.length) {
    fail(
      reshape,
      `${what}: reshape.shape [${shape.join(', ')}] must have as many elements as dims [${dims.join(', ')}]`,
    );
  }
  return { shape: shape.map(BigInt) };
}

// ---- access to fields by the kind of value they must have ----

function fail(at: Value | undefined, reason: string): never {
  throw new ModelConfigError(at === undefined ? reason : `line ${at.line}: ${reason}`);
}

function one(message: Message, field: string): Value | undefined {
  const values = message.fields.get(field);
  if (values !== undefined && values.length > 1) fail(values[1], `${field} is given more than once`);
  return values?.[0];
}

function messagesOf(message: Message, field: string): Message[] {
  return (message.fields.get(field) ?? []).map((value) =>
    value.kind === 'message' ? value : fail(value, `${field} must be a message in {}`),
  );
}

function textOf(message: Message, field: string): string | undefined {
  const value = one(message, field);
  if (value !== undefined && value.kind !== 'text') fail(value, `${field} must be text in quotes`);
  return value?.kind === 'text' ? value.value : undefined;
}

function wordOf(message: Message, field: string): string | undefined {
  const value = one(message, field);
  if (value !== undefined && value.kind !== 'word') fail(value, `${field} must be a name without quotes`);
  return value?.kind === 'word' ? value.value : undefined;
}

function numbersOf(message: Message, field: string): number[] {
  return (message.fields.get(field) ?? []).map((value) => {
    const number =
      value.kind === 'word' && /^-?(?:\d+|0x[\da-fA-F]+)$/.test(value.value) ? Number(value.value) : Number.NaN;
    return Number.isSafeInteger(number) ? number : fail(value, `${field} must be a whole number`);
  });
}

function numberOf(message: Message, field: string): number | undefined {
  one(message, field);
  return numbersOf(message, field)[0];
}
