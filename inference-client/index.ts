/**
 * A client of the KServe v2 inference protocol over gRPC, as spoken by NVIDIA Triton and others.
 *
 * Typed tensors in and out, a deadline on every call, errors with a closed list of codes, a channel that does not hang, a breaker, statistics.
 *
 * @example Score two rows, and read which version did it
 * ```ts
 * import { createInferenceClient, outputOf } from '@headrace/inference-client';
 *
 * const client = createInferenceClient({ address: '127.0.0.1:8001' });
 * const result = await client.infer({
 *   model: 'linear',
 *   inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) }],
 *   deadlineMs: 500,
 * });
 * console.log(result.version, outputOf(result, 'y', 'FP32').data);
 * await client.close();
 * ```
 *
 * @example More rows than the model takes at once, and an error that says what to do
 * ```ts
 * import { createInferenceClient, InferenceError } from '@headrace/inference-client';
 *
 * const client = createInferenceClient({ address: '127.0.0.1:8001', deadlineMs: 5_000 });
 * try {
 *   const x = { name: 'x', datatype: 'FP32', shape: [10_000, 3], data: new Float32Array(30_000) } as const;
 *   const { outputs, version } = await client.inferRows({ model: 'linear', inputs: [x] });
 *   console.log(outputs[0]?.shape, 'all by version', version);
 * } catch (error) {
 *   if (error instanceof InferenceError && error.retryable) console.log('try again later:', error.message);
 *   else throw error;
 * } finally {
 *   await client.close();
 * }
 * ```
 *
 * @module
 */
export { type Breaker, type BreakerOptions, type BreakerState, createBreaker, type Permit } from './breaker.ts';
export { createInferenceClient, type InferenceClient, type ModelCallOptions, type PerCallOptions } from './client.ts';
export {
  type DataOfDatatype,
  type Datatype,
  fixedWidthDatatypes,
  type FixedWidthDatatype,
  isDatatype,
  isFixedWidthDatatype,
} from './datatypes.ts';
export { type ErrorPlace, InferenceError, type InferenceErrorCode, inferenceErrorCodes } from './errors.ts';
export type {
  ModelConfig,
  ModelMetadataResponse,
  ModelStatistics,
  RepositoryIndexResponse_ModelIndex,
  ServerMetadataResponse,
} from './generated/inference.ts';
export { type InferRequest, type InferResult, outputOf, type RequestParameter } from './infer.ts';
export type { InferenceClientOptions, TlsOptions } from './options.ts';
export { joinRows, splitRows } from './rows.ts';
export type { ClientStatistics, MethodStatistics } from './statistics.ts';
export { codeOfStatus } from './status.ts';
export { decodeTensor, elementCount, encodeTensor, type InputTensor, type Tensor, textOf } from './tensors.ts';
export { decodeTypedContents } from './typed-contents.ts';
