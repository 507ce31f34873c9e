/** Thrown when the place that a program comes from does not answer. */
export class UnreachableError extends Error {
  override name = 'UnreachableError';
}
