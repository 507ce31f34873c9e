/** Everything that this package throws: one class, a closed list of codes, and what each code means for the caller. */

interface CodeMeaning {
  /** Whether the same request, sent again later and unchanged, can succeed without anybody doing anything. */
  readonly retryable: boolean;
  /** Whether it says that the server is unwell, so that the breaker counts it. */
  readonly breaks: boolean;
  /** What to do about it; ends the message. */
  readonly advice: string;
}

/** All codes. The comments say why a code is retryable or not. */
export const inferenceErrorCodes = {
  // The connection was refused, lost or never made. The next attempt may find the server back.
  SERVER_UNAVAILABLE: {
    retryable: true,
    breaks: true,
    advice: 'Check that the server runs and that the address is right.',
  },
  // The answer may have been on its way; inference has no effect on the server, so asking again is safe.
  DEADLINE_EXCEEDED: {
    retryable: true,
    breaks: true,
    advice: 'Raise deadlineMs, send fewer rows, or look at the load of the server.',
  },
  // The server's queue for the model is full or the request waited there too long: load, not content.
  QUEUE_FULL: {
    retryable: true,
    breaks: true,
    advice: 'Send less at a time, or give the model more instances or a longer queue.',
  },
  // The model is known but loading, or between two versions of a reload.
  MODEL_NOT_READY: { retryable: true, breaks: false, advice: 'Wait for the load to end, or load the model.' },
  // The model or its backend failed while it ran. It may be the content (then it fails again) or the moment (out of memory).
  SERVER_ERROR: {
    retryable: true,
    breaks: false,
    advice: "Read the server's log; if it repeats, look for the row that the model cannot take.",
  },
  // Refused here without asking the server, because the last calls found it unwell.
  BREAKER_OPEN: { retryable: true, breaks: false, advice: 'Wait; a probe asks the server again by itself.' },
  // No retry of ours makes a model appear.
  MODEL_NOT_FOUND: {
    retryable: false,
    breaks: false,
    advice: 'Check the name and version against the model repository, and that the model is loaded.',
  },
  MODEL_LOAD_FAILED: {
    retryable: false,
    breaks: false,
    advice: "Check the model's folder and config.pbtxt in the repository, and the server's log.",
  },
  // These four are decided by what was sent: the same bytes get the same answer.
  WRONG_SHAPE: { retryable: false, breaks: false, advice: "Compare the shapes with the model's metadata." },
  WRONG_DTYPE: { retryable: false, breaks: false, advice: "Compare the datatypes with the model's metadata." },
  INVALID_INPUT: { retryable: false, breaks: false, advice: "Compare the request with the model's metadata." },
  TOO_LARGE: {
    retryable: false,
    breaks: false,
    advice: 'Send fewer rows, or raise messageBytesMax here and the limit of the server.',
  },
  // Credentials do not change between two attempts.
  ACCESS_DENIED: { retryable: false, breaks: false, advice: 'Check metadata and tls.' },
  // The server lacks the call, or is configured not to take it.
  NOT_SUPPORTED: {
    retryable: false,
    breaks: false,
    advice: 'Check the version and settings of the server (for load and unload: explicit model control).',
  },
  // The server broke the protocol; it would do so again.
  BAD_RESPONSE: { retryable: false, breaks: false, advice: 'Check what answers at this address.' },
  // The caller's own doing.
  CANCELLED: { retryable: false, breaks: false, advice: 'The caller gave the call up.' },
  CLIENT_CLOSED: { retryable: false, breaks: false, advice: 'Create a new client.' },
  INVALID_CONFIG: { retryable: false, breaks: false, advice: 'Correct the option.' },
} as const satisfies Record<string, CodeMeaning>;

/** A code of {@link InferenceError}. */
export type InferenceErrorCode = keyof typeof inferenceErrorCodes;

/** Where and for whom a call failed. */
export interface ErrorPlace {
  readonly address?: string;
  readonly model?: string;
  /** Empty or absent: whichever version the server picks. */
  readonly version?: string;
  /** The remote procedure, such as `ModelInfer`. */
  readonly method?: string;
}

/** The one error class of this package. `message` starts with the code and says what was asked of whom, and what to do. */
export class InferenceError extends Error {
  override readonly name = 'InferenceError';
  readonly code: InferenceErrorCode;
  /** Whether sending the same again later can help; a property of the code. */
  readonly retryable: boolean;
  readonly address: string | undefined;
  readonly model: string | undefined;

  constructor(code: InferenceErrorCode, reason: string, place: ErrorPlace = {}, cause?: unknown) {
    super(
      `${code}: ${sentence(reason)}${describe(place)} ${inferenceErrorCodes[code].advice}`,
      cause === undefined ? {} : { cause },
    );
    this.code = code;
    this.retryable = inferenceErrorCodes[code].retryable;
    this.address = place.address;
    this.model = place.model;
  }
}

function sentence(reason: string): string {
  const trimmed = reason.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function describe({ address, model, version, method }: ErrorPlace): string {
  const parts = [
    method && `call ${method}`,
    model !== undefined && `model '${model}'${version ? ` version ${version}` : ''}`,
    address && `server ${address}`,
  ].filter(Boolean);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
