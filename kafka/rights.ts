import { messageOf } from '../contracts/failures.ts';
import { troubleOf } from './diagnosis.ts';

/** What a client does, and so needs the rights for. */
export interface Needed {
  topic: string;
  /** What it does with the topic. */
  operation: 'Read' | 'Write';
  /** Of a consumer. */
  group?: string;
}

/**
 * An error of Kafka's; where a right is missing, or the group is somebody else's too, one that says which and on what, because the brokers' own text
 * does not.
 */
export function namingRights(error: unknown, { topic, operation, group }: Needed): unknown {
  const { name, type } = troubleOf(error);
  const adding = (text: string) => new Error(`${messageOf(error)}; ${text}`, { cause: error });
  if (type === 'TOPIC_AUTHORIZATION_FAILED')
    return adding(`${theUser} needs the rights to Describe and ${operation} topic ${topic}`);
  if (group === undefined) return error;
  if (type === 'INCONSISTENT_GROUP_PROTOCOL')
    return adding(
      `consumer group ${group} has a member that divides ${topic} otherwise: a bridge whose pipeline file says another number of chains, or a consumer that is no bridge. Stop that one (headrace chains show says in how many chains the topic is read)`,
    );
  if (type === 'GROUP_AUTHORIZATION_FAILED') return adding(`${theUser} needs the right to Read group ${group}`);
  // kafkajs keeps to itself that it was refused.
  if (name === 'KafkaJSGroupCoordinatorNotFound')
    return adding(`where access is controlled, ${theUser} needs the right to Read group ${group}`);
  return error;
}

const theUser = 'the user of KAFKA_SASL_USERNAME or KAFKA_TLS_CERT_FILE';
