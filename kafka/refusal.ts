/** What a broker says when it does not take messages, told apart without a Kafka client. */

/** Of these codes a message may be to blame, or a topic that takes none. */
const refusedMessages = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'CORRUPT_MESSAGE',
]);
/** How many errors may stand behind one another. */
const causesMax = 5;

/** Kafka's own name of what a broker answered, wherever kafkajs has put it; undefined when no broker did. */
export function kafkaCodeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < causesMax; at = at.cause, depth++) {
    const { type } = at as { type?: unknown };
    if (typeof type === 'string') return type;
  }
  return undefined;
}

/** True when a broker refused messages for what they are: fewer of them, or smaller ones, it may take. */
export function isRefusedMessage(error: unknown): boolean {
  return refusedMessages.has(kafkaCodeOf(error) ?? '');
}
