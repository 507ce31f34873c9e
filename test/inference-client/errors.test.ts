import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { InferenceError, type InferenceErrorCode, inferenceErrorCodes } from '../../inference-client/index.ts';

it('the message of an error says code, reason, place and what to do', () => {
  const cause = new Error('below');
  const error = new InferenceError(
    'MODEL_NOT_FOUND',
    'unknown model',
    { address: 'h:1', model: 'm', version: '3', method: 'ModelInfer' },
    cause,
  );
  expect(error.message).toBe(
    "MODEL_NOT_FOUND: unknown model. (call ModelInfer, model 'm' version 3, server h:1) " +
      'Check the name and version against the model repository, and that the model is loaded.',
  );
  expect(error).toMatchObject({
    name: 'InferenceError',
    code: 'MODEL_NOT_FOUND',
    retryable: false,
    address: 'h:1',
    model: 'm',
    cause,
  });
});

it('every code is in the README with its retryability, and the README knows no other', async () => {
  const readme = await readFile(new URL('../../inference-client/README.md', import.meta.url), 'utf8');
  const documented = Object.fromEntries(
    [...readme.matchAll(/^\| `([A-Z_]+)` \| (yes|no) \|/gm)].map(([, code, retryable]) => [code, retryable === 'yes']),
  );
  const actual = Object.fromEntries(
    Object.entries(inferenceErrorCodes).map(([code, { retryable }]) => [code as InferenceErrorCode, retryable]),
  );
  expect(documented).toEqual(actual);
});
