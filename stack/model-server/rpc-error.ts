/** A call's failure with the status and the words that Triton uses, so that clients which read them behave the same towards both. */
import { status as Status } from '@grpc/grpc-js';

export class RpcError extends Error {
  override readonly name = 'RpcError';
  /** A gRPC status. */
  readonly code: Status;

  constructor(code: Status, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

export const notFound = (message: string) => new RpcError(Status.NOT_FOUND, message);
export const invalidArgument = (message: string, cause?: unknown) =>
  new RpcError(Status.INVALID_ARGUMENT, message, cause);
export const unavailable = (message: string) => new RpcError(Status.UNAVAILABLE, message);
export const unimplemented = (message: string) => new RpcError(Status.UNIMPLEMENTED, message);
export const internal = (message: string, cause?: unknown) => new RpcError(Status.INTERNAL, message, cause);
