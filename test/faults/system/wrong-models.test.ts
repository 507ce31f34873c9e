import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInferenceClient, type InferenceClient } from '@headrace/inference-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, type ModelServer } from '../../../stack/servers/index.ts';
import { createTritonModel } from '../../../scoring/triton-model.ts';
import { paymentsPipeline } from '../../live/payments.ts';
import { linearModels } from './fault-servers.ts';
import { wrongAnswers, WrongModels } from './wrong-models.ts';

let folder: string;
let server: ModelServer;
let models: WrongModels;
let client: InferenceClient;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-wrong-models-'));
  cpSync(join(linearModels, 'linear'), join(folder, 'repository', 'linear'), { recursive: true });
  server = await startModelServer({ repository: join(folder, 'repository'), dataDir: join(folder, 'models') });
  const started = await WrongModels.start(server.address);
  models = started.models;
  client = createInferenceClient({ address: `127.0.0.1:${started.port}` });
}, 60_000);
afterAll(async () => {
  await client?.close();
  models?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ask = () =>
  createTritonModel(client, { deadlineMs: 2_000 }).predict(
    paymentsPipeline({ name: 'p', topic: 't' }),
    Float32Array.of(1, 1, 1, 2, 2, 2),
    2,
  );

test('passes on what the server says', async () => {
  models.wrong = () => undefined;
  expect([...(await ask()).predictions]).toEqual([107.5, 114.5]);
});

test.each(wrongAnswers)('%s: the caller can tell', async (wrong) => {
  models.wrong = () => wrong;
  const answer = await ask().then(
    ({ predictions }) => [...predictions].every(Number.isFinite),
    (error: { code: string }) => error.code,
  );
  expect(answer).toBe(/nan|infinite/.test(wrong) ? false : 'MODEL_WRONG');
});
