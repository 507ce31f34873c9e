import type { ModelConfig } from '@headrace/inference-client';
import { describe, expect, test } from 'vitest';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { fitModel, predictionsOf } from '../../scoring/model-shape.ts';
import { paymentsPipeline } from '../live/payments.ts';

type Described = Parameters<typeof fitModel>[1];
type Tensor = [name: string, datatype: string, ...shape: number[]];

const tensors = (list: readonly Tensor[]) =>
  list.map(([name, datatype, ...shape]) => ({ name, datatype, shape: shape.map(BigInt) }));

/** A model as a server describes it; a row dimension stands in the shapes when `maxBatchSize` is above 0. */
function described(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  config: Partial<ModelConfig> = {},
): Described {
  const input = tensors(inputs).map(({ name }) => ({
    name,
    dataType: 11 as const,
    dims: [],
    reshape: undefined,
    optional: false,
  }));
  return {
    metadata: { inputs: tensors(inputs), outputs: tensors(outputs) },
    config: { maxBatchSize: 0, input, ...config } as ModelConfig,
  };
}

/** A pipeline with so many features, and these outputs. */
function pipelineOf(width: number, outputs: Record<string, number> = { y: 1 }): AnyPipeline {
  const { features, ...pipeline } = paymentsPipeline({ name: 'p', topic: 't' });
  const [feature] = Object.values(features);
  return {
    ...pipeline,
    features: Object.fromEntries(Array.from({ length: width }, (_, i) => [`f${i}`, feature])),
    model: { name: 'm', input: 'x', outputs },
  } as AnyPipeline;
}

const shapeOf = (pipeline: AnyPipeline, model: Described) => {
  const fit = fitModel(pipeline, model);
  return 'shape' in fit ? fit.shape : fit.mismatch;
};

describe('rows of a model', () => {
  test.each<[string, number, number, number[], object]>([
    [
      'a batching model',
      64,
      3,
      [-1, 3],
      { rowsMax: 64, isFixed: false, hasRowDimension: true, input: { rowShape: [3] } },
    ],
    ['any number of features', 64, 3, [-1, -1], { rowsMax: 64, input: { rowShape: [3] } }],
    ['a matrix for each row', 64, 6, [-1, 3, 2], { rowsMax: 64, input: { rowShape: [3, 2] } }],
    ['a matrix that is open on one side', 64, 6, [-1, -1, 2], { input: { rowShape: [3, 2] } }],
    ['one that is open on both', 64, 6, [-1, -1, -1], { input: { rowShape: [1, 6] } }],
    ['no limit', 0, 3, [-1, 3], { rowsMax: Infinity, isFixed: false, hasRowDimension: true, input: { rowShape: [3] } }],
    ['one row at a time', 0, 3, [1, 3], { rowsMax: 1, isFixed: true, hasRowDimension: true, input: { rowShape: [3] } }],
    [
      'eight rows at a time',
      0,
      3,
      [8, 3],
      { rowsMax: 8, isFixed: true, hasRowDimension: true, input: { rowShape: [3] } },
    ],
    ['a vector', 0, 3, [3], { rowsMax: 1, isFixed: true, hasRowDimension: false, input: { rowShape: [3] } }],
    [
      'a vector of any length',
      0,
      3,
      [-1],
      { rowsMax: 1, isFixed: true, hasRowDimension: false, input: { rowShape: [3] } },
    ],
    ['a column', 0, 3, [3, 1], { rowsMax: 1, isFixed: true, hasRowDimension: false, input: { rowShape: [3, 1] } }],
  ])('%s', (_, maxBatchSize, width, shape, expected) => {
    expect(
      shapeOf(pipelineOf(width), described([['x', 'FP32', ...shape]], [['y', 'FP32', -1, 1]], { maxBatchSize })),
    ).toMatchObject(expected);
  });

  test.each([
    [64, [-1, 4]],
    [64, [-1, -1, 2]],
    [0, [-1, 4]],
    [0, [1, 4]],
    [0, [4]],
    [64, [-1]],
  ])('that do not have the features of the pipeline (max_batch_size %i, %j) are refused', (maxBatchSize, shape) => {
    expect(
      shapeOf(pipelineOf(3), described([['x', 'FP32', ...shape]], [['y', 'FP32', -1, 1]], { maxBatchSize })),
    ).toMatch(/^model "m" of pipeline "p" takes .*, and the pipeline has 3: retrain the model, or correct "features"$/);
  });
});

describe('outputs', () => {
  test.each<[number, number[], number[]]>([
    [64, [-1, 3], [-1, 6]],
    [64, [-1, 3], [-1, 3, 2]],
    [64, [-1, 3], [-1, -1]],
    [64, [-1, 3], [-1, 2, -1]],
    [0, [1, 3], [1, 6]],
    [0, [1, 3], [6]],
    [0, [3], [2, 3]],
    [0, [4, 3], [4, 3, 2]],
    [0, [4, 3], [24]],
  ])(
    'fit when a row has the declared number of numbers: max_batch_size %i, input %j, output %j',
    (maxBatchSize, input, output) => {
      expect(
        shapeOf(
          pipelineOf(3, { y: 6 }),
          described([['x', 'FP32', ...input]], [['y', 'FP32', ...output]], { maxBatchSize }),
        ),
      ).toMatchObject({ outputs: new Map([['y', 'FP32']]) });
    },
  );

  test('a row of a tensor that has rows only is one number', () => {
    expect(
      shapeOf(pipelineOf(3), described([['x', 'FP32', -1, 3]], [['y', 'INT64', -1]], { maxBatchSize: 8 })),
    ).toMatchObject({ outputs: new Map([['y', 'INT64']]) });
  });

  test('that do not fit are refused by name, with the number to write', () => {
    const wide = described([['x', 'FP32', -1, 3]], [['y', 'FP32', -1, 3, 2]], { maxBatchSize: 64 });
    expect(shapeOf(pipelineOf(3), wide)).toBe(
      'model "m" of pipeline "p": output "y" has 6 numbers a row (its shape is [-1, 3, 2]), and the pipeline says 1: write outputs: { "y": 6 }',
    );
    expect(shapeOf(pipelineOf(3, { z: 1 }), wide)).toBe('model "m" of pipeline "p" has no output "z"; it has "y"');
    const text = described([['x', 'FP32', -1, 3]], [['y', 'BYTES', -1, 1]], { maxBatchSize: 64 });
    expect(shapeOf(pipelineOf(3), text)).toMatch(
      /output "y" is BYTES, and predictions are numbers: leave it out of "outputs" and use one with numbers/,
    );
  });

  test('that the pipeline does not declare may be anything, whatever they are called', () => {
    const model = described(
      [['x', 'FP32', -1, 3]],
      [
        ['y', 'FP32', -1, 1],
        ['label', 'BYTES', -1, 1],
        ['toString', 'BYTES', -1],
      ],
      { maxBatchSize: 64 },
    );
    expect(shapeOf(pipelineOf(3), model)).toMatchObject({ outputs: new Map([['y', 'FP32']]) });
  });
});

describe('a model that no rows can be given to is refused by name, with a way out', () => {
  const one: [Tensor[], Tensor[]] = [[['x', 'FP32', -1, 3]], [['y', 'FP32', -1, 1]]];
  test.each<[string, Described, RegExp]>([
    [
      'a second input',
      described(
        [
          ['x', 'FP32', -1, 3],
          ['hour', 'FP32', -1, 1],
        ],
        one[1],
        { maxBatchSize: 8 },
      ),
      /needs the input "hour" beside "x", .*: export the model with one input of 3 columns, or make the other optional/,
    ],
    [
      'another name',
      described([['input', 'FP32', -1, 3]], one[1], { maxBatchSize: 8 }),
      /has no input "x"; it has "input"$/,
    ],
    [
      'integers',
      described([['x', 'INT64', -1, 3]], one[1], { maxBatchSize: 8 }),
      /input "x" is INT64, .*: export the model with an input of FP32 or FP64$/,
    ],
    ['half precision', described([['x', 'FP16', -1, 3]], one[1], { maxBatchSize: 8 }), /input "x" is FP16/],
    [
      'decoupled',
      described(...one, { maxBatchSize: 8, modelTransactionPolicy: { decoupled: true } }),
      /is decoupled .*: set decoupled to false in its config\.pbtxt$/,
    ],
    ['sequences', described(...one, { maxBatchSize: 8, sequenceBatching: {} }), /takes its requests in sequences/],
  ])('%s', (_, model, reason) => {
    expect(shapeOf(pipelineOf(3), model)).toMatch(reason);
  });

  test('an input that is optional is no second input', () => {
    const model = described(
      [
        ['x', 'FP32', -1, 3],
        ['hour', 'FP32', -1, 1],
      ],
      one[1],
      { maxBatchSize: 8 },
    );
    model.config.input[1]!.optional = true;
    expect(shapeOf(pipelineOf(3), model)).toMatchObject({ rowsMax: 8 });
  });
});

describe('numbers of an output', () => {
  test('of every type that holds numbers are read as they are', () => {
    expect(predictionsOf('FP64', Float64Array.of(0.1, -2.5))).toEqual(Float32Array.of(0.1, -2.5));
    expect(predictionsOf('INT64', BigInt64Array.of(-3n, 16_777_216n))).toEqual(Float32Array.of(-3, 16_777_216));
    expect(predictionsOf('BOOL', Uint8Array.of(0, 1))).toEqual(Float32Array.of(0, 1));
    // 1, -2, 65504, the smallest subnormal, infinity
    expect(predictionsOf('FP16', Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00))).toEqual(
      Float32Array.of(1, -2, 65_504, 2 ** -24, Infinity),
    );
    expect(predictionsOf('FP16', Uint16Array.of(0x7e00))![0]).toBeNaN();
    expect(predictionsOf('BF16', Uint16Array.of(0x3f80, 0xc000, 0x7f80))).toEqual(Float32Array.of(1, -2, Infinity));
  });

  test('integers that would be rounded are not, and text is none', () => {
    expect(predictionsOf('INT64', BigInt64Array.of(16_777_217n))).toBeUndefined();
    expect(predictionsOf('UINT32', Uint32Array.of(2 ** 32 - 1))).toBeUndefined();
    expect(predictionsOf('BYTES', [Uint8Array.of(49)])).toBeUndefined();
  });
});
