/** What a value looks like, and what can be done about it. Says nothing of its content but field names that everybody uses. */
export interface ValueFormat {
  /** As in "it looks like ...". */
  looksLike: string;
  hint?: string;
}
