/** One part of the request that was not accepted. */
export interface ProblemEntry {
  /** Index of the event in the request. */
  index?: number;
  /** Where in the request: a path such as `body.verdict`. */
  at?: string;
  code?: string;
  reason: string;
}

/** What goes wrong, as RFC 9457 (problem+json) says it. Thrown by handlers; everything in it may be shown to anybody. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    /** Last part of the `type` URI: one word for programs, which never changes. */
    readonly kind: string,
    readonly title: string,
    readonly detail: string,
    readonly more: {
      errors?: readonly ProblemEntry[];
      retryAfterSeconds?: number;
      headers?: Record<string, string>;
      decided?: unknown;
    } = {},
  ) {
    super(detail);
  }
}
