import { join } from 'node:path';
import { expect } from 'vitest';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { createTritonModel } from '../../scoring/triton-model.ts';
import { useClient } from '../inference-client/support/servers.ts';
import { paymentsPipeline } from '../live/payments.ts';

/** One model in each shape that people have; see `models/make.py`. */
export const modelRepository = join(import.meta.dirname, 'models', 'repository');

/** Those that answer one number a row, and how many rows each takes at once. */
export const rowsMax: Readonly<Record<string, number>> = {
  many: 2_048,
  three: 3,
  anynumber: Infinity,
  onerow: 1,
  pairs: 2,
  double: 64,
  half: 64,
  count: 64,
  vector: 1,
  column: 64,
  labelled: 64,
};

/** A pipeline of two features for one of them. */
export function pipelineFor(model: string, more: Partial<AnyPipeline['model']> = {}): AnyPipeline {
  const { features, ...pipeline } = paymentsPipeline({ name: `for-${model}`, topic: 't' });
  const [feature] = Object.values(features);
  return {
    ...pipeline,
    features: { a: feature, b: feature },
    model: { name: model, input: 'x', outputs: { score: 1 }, ...more },
  } as AnyPipeline;
}

const rows = 7;
/** Two for each row. */
const features = Float32Array.from({ length: 2 * rows }, (_, i) => i);
/** What the models make of them. */
const sums = Float32Array.from({ length: rows }, (_, row) => 2 * row + 10 * (2 * row + 1));

/** Every row has its own answer, whether there are many or one. */
export async function expectEveryRow(address: string, name: string): Promise<void> {
  const model = createTritonModel(useClient({ address, deadlineMs: 10_000 }), { deadlineMs: 10_000 });
  expect(await model.predict(pipelineFor(name), features, rows)).toEqual({ version: '1', predictions: sums });
  expect(await model.predict(pipelineFor(name), features.subarray(0, 2), 1)).toEqual({
    version: '1',
    predictions: sums.subarray(0, 1),
  });
  expect(await model.rowsMax(pipelineFor(name))).toBe(rowsMax[name]);
}

/** A matrix for each row, and several outputs, are put side by side. */
export async function expectSideBySide(address: string): Promise<void> {
  const model = createTritonModel(useClient({ address, deadlineMs: 10_000 }), { deadlineMs: 10_000 });
  const matrix = await model.predict(pipelineFor('matrix', { outputs: { score: 6 } }), features, rows);
  expect(matrix.predictions).toEqual(
    Float32Array.from(
      { length: 6 * rows },
      (_, i) => Math.fround(sums[Math.floor(i / 6)]!) + Math.fround((i % 6) / 10),
    ),
  );
  const labelled = await model.predict(
    pipelineFor('labelled', { outputs: { probabilities: 2, score: 1 } }),
    features,
    rows,
  );
  expect(labelled.predictions).toEqual(
    Float32Array.from({ length: 3 * rows }, (_, i) =>
      i % 3 === 2 ? sums[Math.floor(i / 3)]! : features[Math.floor(i / 3) * 2 + (i % 3)]!,
    ),
  );
}
