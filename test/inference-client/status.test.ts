import { status as Status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { codeOfStatus, inferenceErrorCodes } from '../../inference-client/index.ts';

describe('status table', () => {
  it.each([
    // Words of tritonserver 2.51 as it sent them.
    [Status.NOT_FOUND, "Request for unknown model: 'm' is not found", 'MODEL_NOT_FOUND'],
    [Status.NOT_FOUND, "Request for unknown model: 'm' version 9 is not found", 'MODEL_NOT_FOUND'],
    [Status.NOT_FOUND, "Request for unknown model: 'm' has no available versions", 'MODEL_NOT_READY'],
    [Status.UNAVAILABLE, "Request for unknown model: 'm' version 1 is not at ready state", 'MODEL_NOT_READY'],
    [Status.INVALID_ARGUMENT, "requested model 'm' is not available", 'MODEL_NOT_FOUND'],
    [
      Status.INVALID_ARGUMENT,
      "[request id: <id_unknown>] unexpected shape for input 'x' for model 'm'. Expected [-1,3], got [1,4].",
      'WRONG_SHAPE',
    ],
    [
      Status.INVALID_ARGUMENT,
      "[request id: <id_unknown>] input byte size mismatch for input 'x' for model 'm'. Expected 24, got 12",
      'WRONG_SHAPE',
    ],
    [
      Status.INVALID_ARGUMENT,
      "[request id: <id_unknown>] inference request batch-size must be <= 4 for 'm'",
      'WRONG_SHAPE',
    ],
    [
      Status.INVALID_ARGUMENT,
      "[request id: <id_unknown>] inference input 'x' data-type is 'INT32', but model 'm' expects 'FP32'",
      'WRONG_DTYPE',
    ],
    [
      Status.INVALID_ARGUMENT,
      "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'INT32', expected datatype 'FP32'",
      'WRONG_DTYPE',
    ],
    [Status.INVALID_ARGUMENT, "unexpected inference input 'z' for model 'm'", 'INVALID_INPUT'],
    [Status.UNAVAILABLE, '[request id: 1] Exceeds maximum queue size', 'QUEUE_FULL'],
    [Status.UNAVAILABLE, 'Request timeout expired', 'QUEUE_FULL'],
    [Status.UNAVAILABLE, 'explicit model load / unload is not allowed if polling is enabled', 'NOT_SUPPORTED'],
    [Status.UNIMPLEMENTED, "'repository_name' specification is not supported", 'NOT_SUPPORTED'],
    // Words of grpc-js 1.14.
    [
      Status.UNAVAILABLE,
      'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1',
      'SERVER_UNAVAILABLE',
    ],
    [Status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)', 'SERVER_UNAVAILABLE'],
    [Status.RESOURCE_EXHAUSTED, 'Received message larger than max (10 vs 4)', 'TOO_LARGE'],
    [Status.RESOURCE_EXHAUSTED, 'quota', 'QUEUE_FULL'],
    [Status.INTERNAL, 'Response message parsing error: index out of range', 'BAD_RESPONSE'],
    [Status.CANCELLED, 'Call cancelled', 'SERVER_UNAVAILABLE'],
    [Status.UNAUTHENTICATED, '', 'ACCESS_DENIED'],
    [Status.PERMISSION_DENIED, '', 'ACCESS_DENIED'],
    [Status.DEADLINE_EXCEEDED, 'Deadline exceeded', 'DEADLINE_EXCEEDED'],
  ] as const)('%i "%s" is %s', (status, text, code) => {
    expect(codeOfStatus(status, text)).toBe(code);
  });

  it('reads failures of a load by the call, whatever the status', () => {
    for (const status of [Status.INTERNAL, Status.INVALID_ARGUMENT, Status.NOT_FOUND]) {
      expect(
        codeOfStatus(status, "failed to load 'm', failed to poll from model repository", 'RepositoryModelLoad'),
      ).toBe('MODEL_LOAD_FAILED');
    }
  });

  it('takes what it does not know for a failure of the server that may pass', () => {
    for (const status of [
      Status.INTERNAL,
      Status.UNKNOWN,
      Status.ABORTED,
      Status.DATA_LOSS,
      Status.FAILED_PRECONDITION,
      99 as Status,
    ]) {
      expect(codeOfStatus(status, 'something new')).toBe('SERVER_ERROR');
    }
    expect(inferenceErrorCodes.SERVER_ERROR.retryable).toBe(true);
  });
});
