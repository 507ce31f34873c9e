/** NVIDIA's own Python client against the embedded server; the same script passes against the real tritonserver, which proves the script. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findEnvironment, type PythonEnvironment, withEnvironment } from '../../inference-client/triton/environment.ts';
import { startTriton } from '../../inference-client/triton/server.ts';
import { useModelServer } from '../../inference-client/support/servers.ts';

const run = promisify(execFile);

withEnvironment('PyPI tritonclient', await findEnvironment(), (environment) => {
  describe('PyPI tritonclient', { timeout: 90_000 }, () => {
    it('is served by the embedded server', async () => {
      const { address } = await useModelServer();
      await expectServed(environment, address);
    });

    it('is served by the real tritonserver in the same way', async () => {
      const triton = await startTriton(environment);
      onTestFinished(() => triton.stop());
      await expectServed(environment, triton.address);
    });
  });
});

async function expectServed({ python }: PythonEnvironment, address: string): Promise<void> {
  const { stdout } = await run(python, [path.join(import.meta.dirname, 'tritonclient_check.py'), address], {
    timeout: 60_000,
  });
  const seen = JSON.parse(stdout) as Record<string, unknown>;
  expect(seen).toMatchObject({
    live: true,
    metadata: {
      name: 'linear',
      versions: ['1', '2'],
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['-1', '3'] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['-1', '1'] }],
    },
    config: { name: 'linear', max_batch_size: 2048, input: [{ name: 'x', data_type: 'TYPE_FP32', dims: ['3'] }] },
    server: { extensions: expect.arrayContaining(['model_repository', 'statistics']) as string[] },
    scores_equal: true,
    response: ['1', 'from-python'],
    types_equal: [
      'bool',
      'uint8',
      'uint16',
      'uint32',
      'uint64',
      'int8',
      'int16',
      'int32',
      'int64',
      'fp16',
      'fp32',
      'fp64',
      'bytes',
    ],
    errors: {
      unknown: ['StatusCode.NOT_FOUND', "Request for unknown model: 'nobody' is not found"],
      shape: [
        'StatusCode.INVALID_ARGUMENT',
        expect.stringContaining(
          "unexpected shape for input 'x' for model 'linear'. Expected [-1,3], got [1,2].",
        ) as string,
      ],
      dtype: [
        'StatusCode.INVALID_ARGUMENT',
        expect.stringContaining("inference input 'x' data-type is 'FP64', but model 'linear' expects 'FP32'") as string,
      ],
      load: ['StatusCode.INTERNAL', "failed to load 'nobody', failed to poll from model repository"],
    },
    unloaded: false,
    loaded: true,
    index: expect.arrayContaining([
      { name: 'linear', version: '1', state: 'READY' },
      { name: 'picky', version: '1', state: 'READY' },
    ]) as unknown[],
    statistics: '2048',
  });
}
