/** The same models on the real tritonserver, through its Python backend: what it says of shapes, limits and policies must be what we read. */
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../contracts/schemas/config.ts';
import { checkModels } from '../../scoring/check-models.ts';
import { useClient } from '../inference-client/support/servers.ts';
import { findEnvironment, withEnvironment } from '../inference-client/triton/environment.ts';
import { startTriton, usePythonBackend } from '../inference-client/triton/server.ts';
import { expectEveryRow, expectSideBySide, modelRepository, pipelineFor, rowsMax } from '../worker/served-models.ts';

const tensors =
  'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] } output { name: "score" data_type: TYPE_FP32 dims: [ 1 ] }';
const program = 'class TritonPythonModel:\n    def execute(self, requests):\n        raise RuntimeError("not asked")\n';
/** Models that no rows can be given to, and what is said of them. */
const refused: [name: string, config: string, reason: string][] = [
  ['decoupled', `${tensors} model_transaction_policy { decoupled: true }`, 'is decoupled'],
  ['sequences', `${tensors} sequence_batching { }`, 'takes its requests in sequences'],
  [
    'twoinputs',
    `${tensors} input { name: "hour" data_type: TYPE_FP32 dims: [ 1 ] }`,
    'needs the input "hour" beside "x"',
  ],
];

/** Each costs a Python process, so those that differ for our own server only are left out. */
const served = Object.keys(rowsMax).filter((name) => !['many', 'double', 'count'].includes(name));

async function addModels(repositoryFolder: string): Promise<void> {
  for (const fixture of await readdir(repositoryFolder)) await rm(join(repositoryFolder, fixture), { recursive: true });
  for (const name of [...served, 'matrix']) {
    await cp(join(modelRepository, name), join(repositoryFolder, name), { recursive: true });
    await usePythonBackend(join(repositoryFolder, name));
  }
  const others = [
    ...refused,
    ['optional', `${tensors} input { name: "hour" data_type: TYPE_FP32 dims: [ 1 ] optional: true }`, ''] as const,
  ];
  for (const [name, config] of others) {
    await mkdir(join(repositoryFolder, name, '1'), { recursive: true });
    await writeFile(join(repositoryFolder, name, 'config.pbtxt'), `backend: "python" ${config}`);
    await writeFile(join(repositoryFolder, name, '1', 'model.py'), program);
  }
}

withEnvironment(
  'models in the shapes that people have, on the real tritonserver',
  await findEnvironment(),
  (environment) => {
    it('every row has its own answer, and what cannot have one is refused by name', { timeout: 300_000 }, async () => {
      const { address, stop } = await startTriton(environment, addModels);
      onTestFinished(stop, 30_000);
      for (const name of served) await expectEveryRow(address, name);
      await expectSideBySide(address);
      const check = (name: string, version?: string) =>
        checkModels(
          useClient({ address, deadlineMs: 10_000 }),
          [pipelineFor(name, version ? { version } : {})],
          parseConfig({ TRITON_URL: address }),
        );
      for (const [name, , reason] of refused) await expect(check(name), name).rejects.toThrow(reason);
      expect(await check('optional')).toEqual([]);
      expect(await check('three', '7')).toEqual([expect.stringContaining('The server has version 1.')]);
      expect(await check('absent')).toEqual([expect.stringContaining('is not on the server')]);
    });
  },
);
