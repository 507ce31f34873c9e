/** What to do about a fetch that does not continue its lane. */
export type OffsetGap =
  /** Ask for the lane's tail once more. */
  | { kind: 'ask_again' }
  /** Retention deleted `[from, to)` before it was read. */
  | { kind: 'lost'; from: number; to: number }
  /** The log has a legal gap up to here: compaction, aborted transactions. */
  | { kind: 'skip'; to: number }
  /** What was read is no longer in the log. */
  | { kind: 'halt'; reason: string };

/**
 * Judges a fetch by the log itself. Below the tail: the log may have been cut. Above: nothing but the log's start can tell a
 * legal gap from a loss; and as a stale answer looks the same, the first time (`askedBefore` false) the tail is asked for again.
 */
export function findOffsetGap(
  fetchedOffset: number,
  tail: number,
  log: { start: number; end: number },
  askedBefore: boolean,
): OffsetGap {
  if (log.end < tail) return { kind: 'halt', reason: truncatedReason(log.end, tail) };
  if (log.start > tail) return { kind: 'lost', from: tail, to: log.start };
  if (fetchedOffset > tail && askedBefore) return { kind: 'skip', to: fetchedOffset };
  return { kind: 'ask_again' };
}

/** What an operator can do: all that the log holds then gets event keys, and effects, of its own. */
export const beginAnew = 'To begin anew from the start of the log, raise HEADRACE_EPOCH by one and restart the bridge';

/** Tells an operator about a log that ends below what was read. */
export function truncatedReason(end: number, tail: number): string {
  return `the log ends at ${end}, below offset ${tail} that was read already: the topic was truncated or recreated. ${beginAnew}`;
}
