import { describe, expect, it } from 'vitest';
import type { ModelInferResponse } from '@headrace/inference-client/generated';
import { outputOf } from '../../inference-client/index.ts';
import { fromInferMessage, toInferMessage } from '../../inference-client/infer.ts';
import { features, linear, x } from './support/requests.ts';

const output = { name: 'y', datatype: 'FP32', shape: [1n], parameters: new Map(), contents: undefined };
const response: ModelInferResponse = {
  modelName: 'm',
  modelVersion: '1',
  id: 'i',
  parameters: new Map(),
  outputs: [output],
  rawOutputContents: [new Uint8Array(new Float32Array([0.5]).buffer)],
};

describe('request message', () => {
  it('carries names, shapes, parameters and raw data', () => {
    const data = features(2);
    const message = toInferMessage(
      linear(data, {
        version: '3',
        id: 'i',
        outputs: ['y'],
        parameters: { priority: 1, timeout: 50n, hot: true, note: 'n', share: 0.5 },
      }),
      {},
    );
    expect(message).toMatchObject({
      modelName: 'linear',
      modelVersion: '3',
      id: 'i',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [2n, 3n], contents: undefined }],
      outputs: [{ name: 'y' }],
    });
    expect(message.rawInputContents.map((raw) => raw.buffer)).toEqual([data.buffer]);
    expect(
      Object.fromEntries([...message.parameters].map(([name, { parameterChoice }]) => [name, parameterChoice?.$case])),
    ).toEqual({
      priority: 'int64Param',
      timeout: 'int64Param',
      hot: 'boolParam',
      note: 'stringParam',
      share: 'doubleParam',
    });
  });

  it('is refused here when no server could take it', () => {
    expect(() => toInferMessage({ model: 'm', inputs: [] }, {})).toThrow(/^INVALID_INPUT: there are no inputs/);
    expect(() => toInferMessage({ model: 'm', inputs: [x(features(1)), x(features(1))] }, {})).toThrow(
      /^INVALID_INPUT: input 'x' is given twice/,
    );
    expect(() => toInferMessage({ model: 'm', inputs: [x(features(1), [2, 3])] }, { model: 'm' })).toThrow(
      /^WRONG_SHAPE: .*6 elements, the data has 3\. \(model 'm'\)/,
    );
    expect(() =>
      toInferMessage({ model: 'm', inputs: [{ ...x(features(1)), datatype: 'FP64' } as never] }, {}),
    ).toThrow(/^WRONG_DTYPE: /);
  });
});

describe('response message', () => {
  it('becomes typed outputs, from raw and from typed contents', () => {
    expect(outputOf(fromInferMessage(response, ['y'], {}), 'y', 'FP32').data).toEqual(new Float32Array([0.5]));
    const contents = {
      boolContents: [],
      intContents: [],
      int64Contents: [],
      uintContents: [],
      uint64Contents: [],
      fp32Contents: [0.5],
      fp64Contents: [],
      bytesContents: [],
    };
    const typed = fromInferMessage({ ...response, outputs: [{ ...output, contents }], rawOutputContents: [] }, [], {});
    expect(outputOf(typed, 'y', 'FP32').data).toEqual(new Float32Array([0.5]));
  });

  it.each([
    ['lacks an output', response, ['z'], "the answer lacks the output 'z'"],
    [
      'has raw data for another number of outputs',
      { ...response, rawOutputContents: [new Uint8Array(4), new Uint8Array(4)] },
      [],
      '1 outputs and the raw data of 2',
    ],
    ['has too few bytes', { ...response, rawOutputContents: [new Uint8Array(3)] }, [], 'takes 4 bytes, there are 3'],
    [
      'has a negative dimension',
      { ...response, outputs: [{ ...output, shape: [-1n] }] },
      [],
      'not a whole number of 0 or more',
    ],
    ['has no data', { ...response, rawOutputContents: [] }, [], "output 'y' came without data"],
    [
      'has an unknown datatype',
      { ...response, outputs: [{ ...output, datatype: 'FP8' }] },
      [],
      "'FP8' is not a datatype",
    ],
  ] as [string, ModelInferResponse, string[], string][])('that %s is BAD_RESPONSE', (_, message, requested, reason) => {
    expect(() => fromInferMessage(message, requested, {})).toThrow(
      expect.objectContaining({ code: 'BAD_RESPONSE', message: expect.stringContaining(reason) as string }),
    );
  });

  it('gives an output only with the type that was asked for', () => {
    const result = fromInferMessage(response, [], {});
    expect(() => outputOf(result, 'y', 'FP64')).toThrow(/^BAD_RESPONSE: output 'y' is FP32, not FP64/);
    expect(() => outputOf(result, 'z', 'FP32')).toThrow(/^BAD_RESPONSE: there is no output 'z', only 'y'/);
  });
});
