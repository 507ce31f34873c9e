import { readFileSync } from 'node:fs';
import { Kafka, logLevel, type KafkaConfig, type logCreator, type SASLOptions } from 'kafkajs';
import { messageOf } from '../contracts/failures.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { within } from '../contracts/within.ts';
import { bootstrapBroker, kafkaSocket } from './kafka-address.ts';
import { installFetchDecoding } from './kafka-fetch-decoding.ts';
import type { Logger } from './log.ts';

/**
 * kafkajs calls an error what it tries again by itself, a group that has no coordinator yet for instance. What it gives up on it
 * throws, and whoever called says so.
 */
const pinoLevels = {
  [logLevel.NOTHING]: 'trace',
  [logLevel.ERROR]: 'warn',
  [logLevel.WARN]: 'warn',
  [logLevel.INFO]: 'debug',
  [logLevel.DEBUG]: 'trace',
} as const;

/** A broker that is just starting may take so long. */
const connectTimeoutMs = 15_000;

/**
 * A client of brokers of which one answers. Throws one sentence that names the setting when none does; the lines that kafkajs logs
 * about each of its tries would only bury it.
 */
export async function connectKafka(config: Config, log: Logger, role: string): Promise<Kafka> {
  const admin = newKafka(config, () => () => undefined, role).admin();
  try {
    // Where a server is silent, kafkajs's own connecting ends well; only an answer proves a broker.
    await within(connectTimeoutMs, admin.connect().then(() => admin.describeCluster()), `no answer within ${connectTimeoutMs / 1_000} s`);
  } catch (error) {
    throw new Error(`no Kafka answers at ${config.kafka.brokers.join(', ')}; check KAFKA_BROKERS and its TLS and SASL settings (${messageOf(error)})`, { cause: error });
  } finally {
    // Nobody has to wait for it, and with a silent server it takes its time.
    void admin.disconnect().catch(() => undefined);
  }
  return createKafka(config, log, role);
}

/**
 * A kafkajs client from the configuration. Requests time out (kafkajs leaves that off by default) and its own retries are few,
 * because every caller of ours has a retry loop that knows more.
 */
export function createKafka(config: Config, log: Logger, role: string): Kafka {
  return newKafka(config, kafkaLog(log), role);
}

function newKafka({ kafka }: Config, creator: logCreator, role: string): Kafka {
  installFetchDecoding();
  const options: KafkaConfig = {
    clientId: `${kafka.clientId}-${role}`,
    brokers: kafka.brokers.map(bootstrapBroker),
    socketFactory: kafkaSocket,
    connectionTimeout: 3_000,
    authenticationTimeout: 10_000,
    requestTimeout: 10_000,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    logCreator: creator,
  };
  if (kafka.tls) {
    options.ssl = {
      ca: kafka.tlsCaFile ? [readFileSync(kafka.tlsCaFile, 'utf8')] : undefined,
      cert: kafka.tlsCertFile ? readFileSync(kafka.tlsCertFile, 'utf8') : undefined,
      key: kafka.tlsKeyFile ? readFileSync(kafka.tlsKeyFile, 'utf8') : undefined,
    };
  }
  if (kafka.saslMechanism) {
    options.sasl = { mechanism: kafka.saslMechanism, username: kafka.saslUsername, password: kafka.saslPassword } as SASLOptions;
  }
  return new Kafka(options);
}

function kafkaLog(log: Logger): logCreator {
  return () =>
    ({ namespace, level, log: { message, timestamp: _, logger: __, ...fields } }) => {
      log[pinoLevels[level] ?? 'debug']({ kafka: namespace, ...fields, stack: undefined }, message);
    };
}
