import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import pipeline, { blockScoreMin, reviewScoreMin } from '../../pipelines/fraud/index.ts';
import { InferenceSession, OrtTensor } from '../../stack/model-server/onnx-runtime.ts';

const models = join(import.meta.dirname, '../../models');
const files = { 1: join(models, 'repository/fraud/1/model.onnx'), 2: join(models, 'candidates/fraud/2/model.onnx') };
const featureNames = Object.keys(pipeline.features);
const known = JSON.parse(readFileSync(join(models, 'fraud/known-scores.json'), 'utf8')) as {
  names: string[];
  rows: { features: number[]; scores: Record<string, number> }[];
};

describe.each(Object.entries(files))('version %s of the fraud model', (version, file) => {
  test('takes the features of the pipeline, gives one score, and is small', async () => {
    const session = await InferenceSession.create(file);
    try {
      expect(session.inputMetadata).toMatchObject([
        { name: pipeline.model.input, type: 'float32', shape: [expect.anything(), featureNames.length] },
      ]);
      expect(session.outputMetadata).toMatchObject([{ name: 'score', type: 'float32', shape: [expect.anything(), 1] }]);
    } finally {
      await session.release();
    }
    expect(known.names).toEqual(featureNames);
    expect(statSync(file).size).toBeLessThan(1_000_000);
  });

  test('scores known rows as it did where it was trained', async () => {
    const session = await InferenceSession.create(file);
    try {
      const rows = Float32Array.from(known.rows.flatMap(({ features }) => features));
      const { score } = await session.run({
        features: new OrtTensor('float32', rows, [known.rows.length, featureNames.length]),
      });
      const scores = score!.data as Float32Array;
      known.rows.forEach((row, i) => expect(Math.abs(scores[i]! - row.scores[version]!)).toBeLessThan(1e-5));
    } finally {
      await session.release();
    }
  });
});

test('the two versions really differ, and the known rows reach every outcome', () => {
  const outcomes = known.rows.map(({ scores }) => Object.values(scores).map(outcomeOf));
  expect(outcomes.some(([first, second]) => first !== second)).toBe(true);
  expect(new Set(outcomes.map(([first]) => first))).toEqual(new Set(pipeline.outcomes));
});

test("the configuration for Triton has the pipeline's width", () => {
  const config = readFileSync(join(models, 'repository/fraud/config.pbtxt'), 'utf8');
  expect(config).toContain(`input [ { name: "features", data_type: TYPE_FP32, dims: [ ${featureNames.length} ] } ]`);
  expect(config).toContain('output [ { name: "score", data_type: TYPE_FP32, dims: [ 1 ] } ]');
});

function outcomeOf(score: number): string {
  return score >= blockScoreMin ? 'block' : score >= reviewScoreMin ? 'review' : 'approve';
}
