import { isProgrammingError, messageOf } from '../contracts/error-text.ts';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';

/** Of these codes of Kafka a message may be to blame, or a topic that refuses all of them. */
const suspectCodes = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP', 'CORRUPT_MESSAGE']);
/** And of these the topic, or the rights on it. */
const wrongCodes = new Set([
  'TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED', 'INVALID_TOPIC_EXCEPTION', 'POLICY_VIOLATION', 'UNSUPPORTED_FOR_MESSAGE_FORMAT', 'UNSUPPORTED_COMPRESSION_TYPE',
]);

/** Kafka's own name of what a broker refused, as kafkajs wraps it; undefined when no broker did. */
export function kafkaCodeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { type } = at as { type?: unknown };
    if (typeof type === 'string') return type;
  }
  return undefined;
}

/** True when a broker refused messages for what they are: fewer of them, or smaller ones, it may take. */
export function isRefusedMessage(error: unknown): boolean {
  return suspectCodes.has(kafkaCodeOf(error) ?? '');
}

/** What an error of publishing to a topic means. `SINK_REFUSED_ROW` is a suspicion, as in ./postgres-failure.ts. */
export function failureOf(topic: string, error: unknown): HeadraceError {
  if (error instanceof HeadraceError) return error;
  const code = kafkaCodeOf(error);
  const failure = (kind: FailureCode, detail: string) => new HeadraceError(kind, `topic ${topic}: ${detail}`, { cause: error });
  if (isProgrammingError(error)) return failure('SINK_BROKEN', `this is a bug: ${messageOf(error)}`);
  if (code === undefined) return failure('SINK_UNAVAILABLE', messageOf(error));
  const told = `${code} (${messageOf(error)})`;
  return failure(suspectCodes.has(code) ? 'SINK_REFUSED_ROW' : wrongCodes.has(code) ? 'SINK_WRONG' : 'SINK_UNAVAILABLE', told);
}
