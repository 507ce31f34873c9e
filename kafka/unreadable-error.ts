/** Bytes of a partition's log that are no records, or that must not be read. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
}
