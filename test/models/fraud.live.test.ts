import { createInferenceClient } from '@headrace/inference-client';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startLiveServers } from '../stack/live.ts';

const models = join(import.meta.dirname, '../../models');
const known = JSON.parse(readFileSync(join(models, 'fraud/known-scores.json'), 'utf8')) as {
  names: string[];
  rows: { features: number[]; scores: Record<string, number> }[];
};

test('the embedded model server serves version 1 from the repository as it is', async () => {
  const {
    models: { address },
  } = await startLiveServers({ models: join(models, 'repository') });
  const client = createInferenceClient({ address });
  try {
    const data = Float32Array.from(known.rows.flatMap(({ features }) => features));
    const { version, outputs } = await client.inferRows({
      model: 'fraud',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [known.rows.length, known.names.length], data }],
      outputs: ['score'],
    });
    expect(version).toBe('1');
    expect(outputs[0]!.shape.map(Number)).toEqual([known.rows.length, 1]);
    const scores = outputs[0]!.data as Float32Array;
    known.rows.forEach((row, i) => expect(Math.abs(scores[i]! - row.scores['1']!)).toBeLessThan(1e-5));
  } finally {
    await client.close();
  }
});
