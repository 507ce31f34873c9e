/**
 * ONNX Runtime with its telemetry off: the only module that loads it (held by test/tidy.test.ts).
 *
 * Its builds report to their maker by default: a device id that they keep below the home folder, and names and hashes of the models. The
 * one full way out is this variable. It is read once, when the native library starts, so it must be set before that, in this order; and
 * whatever a user's environment says, because a model server has nothing to tell anybody. See docs/privacy.md.
 */
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

// The environment of another thread is a copy, which the native library does not see.
if (!isMainThread)
  throw new Error('ONNX Runtime is loaded in the main thread only: its telemetry could not be turned off here');
process.env['ORT_DISABLE_TELEMETRY'] = '1';
const { InferenceSession, Tensor: OrtTensor } = createRequire(import.meta.url)(
  'onnxruntime-node',
) as typeof import('onnxruntime-node');

/** A tensor of ONNX Runtime; those of the protocol are the inference client's. */
type OrtTensor = import('onnxruntime-node').Tensor;

export { InferenceSession, OrtTensor };
