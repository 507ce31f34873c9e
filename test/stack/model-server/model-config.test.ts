import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../../../stack/model-server/model-config.ts';

const parse = (source: string) => parseModelConfig(source, 'repo/m/config.pbtxt', 'm');
const backend = 'backend: "onnxruntime" ';

describe('config.pbtxt', () => {
  it('is read with what Triton would assume where it is silent', () => {
    expect(parse(backend)).toEqual({
      name: 'm',
      platform: 'onnxruntime_onnx',
      backend: 'onnxruntime',
      maxBatchSize: 0,
      input: [],
      output: [],
      defaultModelFilename: 'model.onnx',
      sequenceBatching: undefined,
      modelTransactionPolicy: undefined,
      parameters: new Map(),
      versionPolicy: { policyChoice: { $case: 'latest', latest: { numVersions: 1 } } },
    });
  });

  it('is read in full', () => {
    const config = parse(`
      name: "m" platform: "onnxruntime_onnx" max_batch_size: 64 default_model_filename: "scores.onnx"
      input [ { name: "x" data_type: TYPE_INT64 dims: [ 2, -1 ] format: FORMAT_NONE } ]
      output [ { name: "y" data_type: TYPE_STRING dims: 1 } ]
      version_policy { specific { versions: [ 1, 3 ] } }
      parameters { key: "threshold" value: { string_value: "0.5" } }
      dynamic_batching { max_queue_delay_microseconds: 100 }  instance_group [ { count: 2 kind: KIND_CPU } ]
    `);
    expect(config).toMatchObject({
      maxBatchSize: 64,
      defaultModelFilename: 'scores.onnx',
      input: [{ name: 'x', dataType: 9, dims: [2n, -1n] }],
      output: [{ name: 'y', dataType: 13, dims: [1n] }],
      versionPolicy: { policyChoice: { $case: 'specific', specific: { versions: [1n, 3n] } } },
    });
    expect(config.parameters).toEqual(new Map([['threshold', { stringValue: '0.5' }]]));
    expect(parse(`${backend} version_policy: { all {} }`).versionPolicy).toEqual({
      policyChoice: { $case: 'all', all: {} },
    });
    expect(parse(`${backend} version_policy: { latest { num_versions: 2 } }`).versionPolicy).toEqual({
      policyChoice: { $case: 'latest', latest: { numVersions: 2 } },
    });
  });

  it('is read as Triton reads it: with a byte order mark, with any line ends, and without a backend where the file tells', () => {
    expect(parse(`\uFEFFname: "m"\r\nbackend: "onnxruntime" # ours\r\nmax_batch_size: 8\r\n`)).toMatchObject({
      name: 'm',
      maxBatchSize: 8,
    });
    expect(parse('max_batch_size: 8')).toMatchObject({ backend: 'onnxruntime', maxBatchSize: 8 });
    expect(parse(`${backend} model_transaction_policy { decoupled: false }`)).toMatchObject({ name: 'm' });
    const { output } = parse(
      `${backend} max_batch_size: 8 output { name: "label" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] } }`,
    );
    expect(output).toMatchObject([{ dims: [1n], reshape: { shape: [] } }]);
  });

  it.each([
    ['default_model_filename: "model.pt"', 'platform must be "onnxruntime_onnx" or backend "onnxruntime", got ""'],
    [
      `${backend} model_transaction_policy { decoupled: true }`,
      'line 1: a decoupled transaction policy (any number of answers to one request) is not served here; leave it out',
    ],
    [`${backend} sequence_batching { }`, 'sequence_batching is not served here; use a Triton server'],
    [
      'backend: "python"',
      'line 1: platform must be "onnxruntime_onnx" or backend "onnxruntime", got "python"; this server runs ONNX models only',
    ],
    [`${backend} name: "other"`, "line 1: name is 'other', but the folder is 'm'; they must be the same"],
    [`${backend}\nmax_bach_size: 4`, "line 2: there is no field 'max_bach_size'"],
    [`${backend} max_batch_size: -1`, 'max_batch_size must be 0 or more'],
    [`${backend} max_batch_size: "8"`, 'max_batch_size must be a whole number'],
    [`${backend} max_batch_size: 8 max_batch_size: 9`, 'max_batch_size is given more than once'],
    [`${backend} ensemble_scheduling { }`, 'ensemble_scheduling is not served here; use a Triton server'],
    [`${backend} input { name: "x" data_type: TYPE_BF16 dims: 1 }`, "input 'x': data_type must be one of TYPE_BOOL"],
    [`${backend} input { name: "x" data_type: "TYPE_FP32" dims: 1 }`, 'data_type must be a name without quotes'],
    [`${backend} input { data_type: TYPE_FP32 dims: 1 }`, 'an input has no name'],
    [
      `${backend} output { name: "y" data_type: TYPE_FP32 dims: [ 0 ] }`,
      "output 'y': each of dims must be 1 or more, or -1 for any size, got [0]",
    ],
    [
      `${backend} input { name: "x" data_type: TYPE_FP32 dims: 2 reshape { shape: [] } }`,
      "input 'x': reshape.shape [] must have as many elements as dims [2]",
    ],
    [
      `${backend} input { name: "x" data_type: TYPE_FP32 dims: [ 2, -1 ] reshape { shape: [ 2 ] } }`,
      "input 'x': reshape.shape [2] must have as many elements as dims [2, -1]",
    ],
    [
      `${backend} input { name: "x" data_type: TYPE_FP32 dims: 2 reshape { shape: [ 0 ] } }`,
      "input 'x': each of reshape.shape must be 1 or more",
    ],
    [
      `${backend} input [ { name: "x" data_type: TYPE_FP32 dims: 1 }, { name: "x" data_type: TYPE_FP32 dims: 1 } ]`,
      "input 'x' is declared twice",
    ],
    [`${backend} input: 5`, 'input must be a message in {}'],
    [`${backend} version_policy { newest {} }`, "version_policy must be latest, all or specific, got 'newest'"],
    [`${backend} version_policy { all {} latest {} }`, 'version_policy has both all and latest; choose one'],
    [`${backend} version_policy { specific {} }`, 'version_policy.specific.versions must list version numbers'],
    [`${backend} name: m`, 'name must be text in quotes'],
    [`${backend} {`, "line 1: expected the name of a field, found '{'"],
  ])('is refused with one sentence that names the file: %s', (source, reason) => {
    expect(() => parse(source)).toThrow(
      expect.objectContaining({ name: 'ModelConfigError', message: expect.stringContaining(reason) as string }),
    );
    expect(() => parse(source)).toThrow(/^repo\/m\/config\.pbtxt: [^\n]*\.$/);
  });
});
