import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InferRequest, type InferResult, joinRows, outputOf, splitRows } from '../../inference-client/index.ts';
import { inferRows } from '../../inference-client/rows.ts';
import { features, linear, x } from './support/requests.ts';

/** Returns a part with its first feature of each row, as version `version`. */
function echo(part: InferRequest, version = '1'): InferResult {
  const [input] = part.inputs;
  if (input?.datatype !== 'FP32') throw new Error('expected FP32');
  const rows = input.shape[0] as number;
  const data = Float32Array.from({ length: rows }, (_, row) => input.data[row * 3] as number);
  return {
    model: part.model,
    version,
    id: '',
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [rows, 1], data },
      { name: 'text', datatype: 'BYTES', shape: [rows], data: [...data].map((value) => Buffer.from(String(value))) },
    ],
  };
}

describe('rows', () => {
  it('cut and joined are what they were, for any number and limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 70 }), (rows, rowsMax) => {
        const data = features(rows);
        const parts = splitRows(linear(data), rowsMax);
        const sizes = parts.map(({ inputs }) => inputs[0]?.shape[0] as number);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(rowsMax);
        expect(parts).toHaveLength(Math.ceil(rows / rowsMax));
        const joined = joinRows(
          parts.map((part) => echo(part)),
          sizes,
        );
        expect(outputOf(joined, 'y', 'FP32').shape).toEqual([rows, 1]);
        expect([...outputOf(joined, 'y', 'FP32').data]).toEqual(Array.from({ length: rows }, (_, row) => row));
        expect(outputOf(joined, 'text', 'BYTES').data.map(String)).toEqual(
          Array.from({ length: rows }, (_, row) => String(row)),
        );
      }),
    );
  });

  it('are cut without a copy', () => {
    const data = features(4);
    for (const {
      inputs: [input],
    } of splitRows(linear(data), 3))
      expect(input).toMatchObject({ data: { buffer: data.buffer } });
  });

  it('of inputs that disagree, or of none, are refused', () => {
    const y = { name: 'y', datatype: 'BYTES', shape: [3], data: ['a', 'b', 'c'] } as const;
    expect(() => splitRows({ model: 'm', inputs: [x(features(2)), y] }, 1)).toThrow(
      /WRONG_SHAPE: the inputs must share a first dimension.*'x' \[2,3\], 'y' \[3\]/,
    );
    expect(() => splitRows({ model: 'm', inputs: [x(new Float32Array(0), [0, 3])] }, 1)).toThrow(/WRONG_SHAPE/);
    expect(() => splitRows({ model: 'm', inputs: [x(features(2), [5, 3])] }, 1)).toThrow(
      /WRONG_SHAPE: .*6 elements cannot be 5 rows/,
    );
  });

  it('go on with the version that answered the first part', async () => {
    const asked: (string | undefined)[] = [];
    const answer = async (part: InferRequest) => {
      asked.push(part.version);
      return echo(part, part.version ?? '4');
    };
    const result = await inferRows({ ...linear(features(5)), deadlineMs: 1_000 }, 2, answer, () => 0);
    expect(asked).toEqual([undefined, '4', '4']);
    expect(result.version).toBe('4');
  });

  it('are never joined over two versions, nor from answers without a row per row', () => {
    const [one, two] = splitRows(linear(features(4)), 2) as [InferRequest, InferRequest];
    expect(() => joinRows([echo(one, '1'), echo(two, '2')], [2, 2])).toThrow(
      /BAD_RESPONSE: part 2 was answered by version 2/,
    );
    expect(() => joinRows([echo(one)], [3])).toThrow(/BAD_RESPONSE: output 'y' has shape \[2,1\] for 3 rows/);
    const other = { ...echo(two), outputs: [] };
    expect(() => joinRows([echo(one), other], [2, 2])).toThrow(/BAD_RESPONSE: the parts disagree on output 'y'/);
  });

  it('share one deadline', async () => {
    let clockMs = 0;
    const given: number[] = [];
    const slow = async (part: InferRequest) => {
      given.push(part.deadlineMs as number);
      clockMs += 60;
      return echo(part);
    };
    await expect(inferRows({ ...linear(features(9)), deadlineMs: 100 }, 3, slow, () => clockMs)).rejects.toThrow(
      /^DEADLINE_EXCEEDED: Deadline exceeded after 2 of 3 parts/,
    );
    expect(given).toEqual([100, 40]);
  });
});
