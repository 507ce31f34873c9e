/** A full queue of the real tritonserver: its words decide between QUEUE_FULL and SERVER_UNAVAILABLE, so they must come from it. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { InferenceErrorCode } from '../../inference-client/index.ts';
import { features, linear } from './support/requests.ts';
import { useClient } from './support/servers.ts';
import { findEnvironment, withEnvironment } from './triton/environment.ts';
import { startTriton } from './triton/server.ts';

const config = `
name: "slow" backend: "python" max_batch_size: 1
input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }
dynamic_batching { default_queue_policy { max_queue_size: 1 } }
`;

// One request takes long enough for the others to pile up behind it.
const model = `
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.3)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(request, "x").as_numpy())]) for request in requests]
`;

async function addSlowModel(repositoryFolder: string): Promise<void> {
  const folder = path.join(repositoryFolder, 'slow', '1');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, '..', 'config.pbtxt'), config);
  await writeFile(path.join(folder, 'model.py'), model);
}

withEnvironment('a full queue of the real tritonserver', await findEnvironment(), (environment) => {
  it('is QUEUE_FULL for what does not fit, and an answer for the rest', { timeout: 90_000 }, async () => {
    const triton = await startTriton(environment, addSlowModel);
    onTestFinished(() => triton.stop());
    const client = useClient({ address: triton.address, deadlineMs: 20_000, breaker: false });
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () =>
        client.infer({ ...linear(features(1)), model: 'slow' }).then(
          () => 'answered' as const,
          (error: { code: InferenceErrorCode }) => error.code,
        ),
      ),
    );
    expect(new Set(outcomes)).toEqual(new Set(['answered', 'QUEUE_FULL']));
  });
});
