import { isProgrammingError, messageOf } from '../lib/error-text.ts';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import { isRefusedMessage, kafkaCodeOf } from '../kafka/refusal.ts';

/** The topic, or the rights on it. */
const wrongCodes = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
  'POLICY_VIOLATION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'UNSUPPORTED_COMPRESSION_TYPE',
]);

/** What an error of publishing to a topic means. `SINK_REFUSED_ROW` is a suspicion, as in ./postgres-failure.ts. */
export function failureOf(topic: string, error: unknown): HeadraceError {
  if (error instanceof HeadraceError) return error;
  const code = kafkaCodeOf(error);
  const failure = (kind: FailureCode, detail: string) =>
    new HeadraceError(kind, `topic ${topic}: ${detail}`, { cause: error });
  if (isProgrammingError(error)) return failure('SINK_BROKEN', `this is a bug: ${messageOf(error)}`);
  if (code === undefined) return failure('SINK_UNAVAILABLE', messageOf(error));
  const told = `${code} (${messageOf(error)})`;
  return failure(
    isRefusedMessage(error) ? 'SINK_REFUSED_ROW' : wrongCodes.has(code) ? 'SINK_WRONG' : 'SINK_UNAVAILABLE',
    told,
  );
}
