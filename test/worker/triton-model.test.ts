import { InferenceError, type InferenceClient } from '@headrace/inference-client';
import { expect, test } from 'vitest';
import { createTritonModel } from '../../worker/triton-model.ts';
import { paymentsPipeline } from '../live/payments.ts';

const pipeline = paymentsPipeline({ name: 'p', topic: 't' });

/** A client that knows the limits of its models, or throws. */
const modelWith = (rowsMax: InferenceClient['rowsMax']) => createTritonModel({ rowsMax } as InferenceClient);

test("a model's limit of rows is asked for by its name and version", async () => {
  const asked: unknown[] = [];
  const model = modelWith((...parameters) => Promise.resolve(asked.push(parameters) + 6));
  expect(await model.rowsMax({ ...pipeline, model: { ...pipeline.model, version: '3' } })).toBe(7);
  expect(asked).toEqual([[pipeline.model.name, { version: '3' }]]);
});

test('a server that cannot be asked for the limit is away, as it is for rows', async () => {
  const model = modelWith(() => Promise.reject(new InferenceError('SERVER_UNAVAILABLE', 'nobody answers')));
  await expect(model.rowsMax(pipeline)).rejects.toMatchObject({ name: 'HeadraceError', code: 'MODEL_UNAVAILABLE' });
});
