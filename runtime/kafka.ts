import { readFileSync } from 'node:fs';
import { Kafka, logLevel, type KafkaConfig, type logCreator, type SASLOptions } from 'kafkajs';
import type { Config } from '../contracts/schemas/config.ts';
import type { Logger } from './log.ts';

const pinoLevels = {
  [logLevel.NOTHING]: 'trace',
  [logLevel.ERROR]: 'error',
  [logLevel.WARN]: 'warn',
  [logLevel.INFO]: 'debug',
  [logLevel.DEBUG]: 'trace',
} as const;

/**
 * A kafkajs client from the configuration. Requests time out (kafkajs leaves that off by default) and its own retries are few,
 * because every caller of ours has a retry loop that knows more.
 */
export function createKafka({ kafka }: Config, log: Logger, role: string): Kafka {
  const options: KafkaConfig = {
    clientId: `${kafka.clientId}-${role}`,
    brokers: [...kafka.brokers],
    connectionTimeout: 3_000,
    authenticationTimeout: 10_000,
    requestTimeout: 10_000,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    logCreator: kafkaLog(log),
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
