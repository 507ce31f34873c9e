/**
 * gRPC status -> our error codes: one pure table.
 *
 * Triton uses few statuses for many causes, so the text decides where the status alone does not. The texts are those of Triton 2.51 and of grpc-js
 * 1.14; a text that nobody recognises falls back to the last row of its status, which is the cautious reading.
 */
import { status as Status, type ServiceError } from '@grpc/grpc-js';
import { type ErrorPlace, InferenceError, type InferenceErrorCode } from './errors.ts';

interface Row {
  readonly status: Status;
  /** Matches the text of the status. Absent: any text. */
  readonly text?: RegExp;
  /** Only for this remote procedure. Absent: any. */
  readonly method?: string;
  readonly code: InferenceErrorCode;
}

/** The first row that matches wins. */
const rows: readonly Row[] = [
  // Loading fails with INTERNAL, INVALID_ARGUMENT or NOT_FOUND, depending on where the model was found wanting.
  { status: Status.UNAVAILABLE, text: /not allowed/i, code: 'NOT_SUPPORTED' },
  { status: Status.INTERNAL, method: 'RepositoryModelLoad', code: 'MODEL_LOAD_FAILED' },
  { status: Status.INVALID_ARGUMENT, method: 'RepositoryModelLoad', code: 'MODEL_LOAD_FAILED' },
  { status: Status.NOT_FOUND, method: 'RepositoryModelLoad', code: 'MODEL_LOAD_FAILED' },

  // A model that was unloaded or is being replaced is "not found" to Triton as well, but it is in the repository and may be back in a moment.
  { status: Status.NOT_FOUND, text: /has no available versions/i, code: 'MODEL_NOT_READY' },
  { status: Status.NOT_FOUND, code: 'MODEL_NOT_FOUND' },

  { status: Status.INVALID_ARGUMENT, text: /requested model .* is not available/i, code: 'MODEL_NOT_FOUND' },
  { status: Status.INVALID_ARGUMENT, text: /data-?type/i, code: 'WRONG_DTYPE' },
  { status: Status.INVALID_ARGUMENT, text: /unexpected shape|byte size mismatch|batch-size/i, code: 'WRONG_SHAPE' },
  { status: Status.INVALID_ARGUMENT, code: 'INVALID_INPUT' },
  { status: Status.OUT_OF_RANGE, code: 'INVALID_INPUT' },

  { status: Status.UNAVAILABLE, text: /exceeds maximum queue size|request timeout expired/i, code: 'QUEUE_FULL' },
  { status: Status.UNAVAILABLE, text: /not at ready state|is not ready/i, code: 'MODEL_NOT_READY' },
  { status: Status.UNAVAILABLE, code: 'SERVER_UNAVAILABLE' },
  { status: Status.DEADLINE_EXCEEDED, code: 'DEADLINE_EXCEEDED' },

  // grpc-js gives this status to a message over the limit; anybody else to a quota or a queue.
  { status: Status.RESOURCE_EXHAUSTED, text: /larger than/i, code: 'TOO_LARGE' },
  { status: Status.RESOURCE_EXHAUSTED, code: 'QUEUE_FULL' },

  { status: Status.UNAUTHENTICATED, code: 'ACCESS_DENIED' },
  { status: Status.PERMISSION_DENIED, code: 'ACCESS_DENIED' },
  { status: Status.UNIMPLEMENTED, code: 'NOT_SUPPORTED' },

  // INTERNAL is ambiguous: grpc-js uses it for what it could not write or read and for streams that broke, Triton for a model that failed.
  { status: Status.INTERNAL, text: /^request message serialization failure/i, code: 'INVALID_INPUT' },
  { status: Status.INTERNAL, text: /^response message parsing error/i, code: 'BAD_RESPONSE' },
  {
    status: Status.INTERNAL,
    text: /rst_stream|connection (?:reset|dropped)|http\/?2 error/i,
    code: 'SERVER_UNAVAILABLE',
  },

  // We did not cancel (that is decided before this table), so the other side dropped the call, as servers do when they stop.
  { status: Status.CANCELLED, code: 'SERVER_UNAVAILABLE' },
];

/** The code for a status and its text. INTERNAL, UNKNOWN, ABORTED and all the rest are failures of the server that may pass. */
export function codeOfStatus(status: Status, text: string, method?: string): InferenceErrorCode {
  const row = rows.find(
    (candidate) =>
      candidate.status === status &&
      (candidate.method === undefined || candidate.method === method) &&
      (candidate.text === undefined || candidate.text.test(text)),
  );
  return row?.code ?? 'SERVER_ERROR';
}

/** What grpc-js says of a connection that it could not make, and what that means. The first that matches counts. */
const connectionTroubles: readonly [RegExp, string][] = [
  [
    /protocol error/i,
    "what answers there does not speak HTTP/2, as gRPC does; it may be an HTTP port (Triton's gRPC port is usually 8001, 8000 is HTTP)",
  ],
  [/wrong version number|packet length too long/i, 'what answers there does not use TLS, and this client does'],
  [/no application protocol/i, 'what answers there uses TLS and does not speak HTTP/2, as gRPC does'],
  [/failed to connect/i, 'the connection was taken and closed at once, as a server does that expects TLS'],
];

/** What grpc-js reported, as our error, with the original as its cause. */
export function fromServiceError(error: ServiceError, place: ErrorPlace): InferenceError {
  return new InferenceError(codeOfStatus(error.code, error.details, place.method), reasonOf(error), place, error);
}

function reasonOf({ details, message }: ServiceError): string {
  // The time stands in the log, and an empty note says nothing.
  const reason = (details || message)
    .replace(/\s*\(\d{4}-[\d:.TZ-]+\)/, '')
    .replace(/\s*Resolution note:\s*$/, '')
    .replaceAll(/\s*\n\s*/g, ' ');
  const trouble =
    reason.startsWith('No connection established') && connectionTroubles.find(([pattern]) => pattern.test(reason));
  return trouble ? `${trouble[1]}: ${reason}` : reason;
}
