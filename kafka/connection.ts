import { Kafka, logLevel, type KafkaConfig, type logCreator, type SASLOptions } from 'kafkajs';
import type { Config } from '../contracts/schemas/config.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { bootstrapBroker, kafkaSocket } from './address.ts';
import { installFetchDecoding } from './fetch-decoding.ts';
import { diagnose, troubleOf } from './diagnosis.ts';
import { installFrameBounds } from './response-frames.ts';
import { installQuietQueue } from './quiet-queue.ts';
import { installSharedConnect } from './shared-connect.ts';
import type { Logger } from '../lib/log.ts';
import { readCertificates, readKeyPair } from '../lib/pem-file.ts';
import { kafkaRequests } from '../contracts/timeouts.ts';

export type { Admin, Kafka } from 'kafkajs';

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
const aloneTimeoutMs = 5_000;
const brokersDiagnosedMax = 5;

/**
 * A client of brokers of which one answers. Throws one sentence that names the setting when none does; the lines that kafkajs logs
 * about each of its tries would only bury it.
 */
export async function connectKafka(config: Config, log: Logger, role: string): Promise<Kafka> {
  const options = optionsOf(config, role);
  const admin = newKafka({ ...options, logCreator: silent }).admin();
  try {
    // Where a server is silent, kafkajs's own connecting ends well; only an answer proves a broker.
    await withTimeout(
      connectTimeoutMs,
      admin.connect().then(() => admin.describeCluster()),
      `no answer within ${connectTimeoutMs / 1_000} s`,
    );
  } catch (error) {
    throw new Error(await describeFailure(error, config.kafka, options), { cause: error });
  } finally {
    // Nobody has to wait for it, and with a silent server it takes its time.
    void admin.disconnect().catch(() => undefined);
  }
  return newKafka({ ...options, logCreator: kafkaLog(log) });
}

/** One sentence that says what is wrong, and with which setting. */
async function describeFailure(error: unknown, kafka: Config['kafka'], options: KafkaConfig): Promise<string> {
  const found = await Promise.all(
    kafka.brokers.slice(0, brokersDiagnosedMax).map((address) => tryAlone(address, kafka, options)),
  );
  const known = found.filter((each) => each !== undefined);
  if (known.length > 0) return `no Kafka can be used: ${known.join('; ')}`;
  return `no Kafka answers at ${kafka.brokers.join(', ')}; check KAFKA_BROKERS and its TLS and SASL settings (${troubleOf(error).message})`;
}

/** What is wrong with one of the bootstrap brokers; kafkajs tells only of the one that it tried last. Undefined when nobody can be sure. */
async function tryAlone(address: string, kafka: Config['kafka'], options: KafkaConfig): Promise<string | undefined> {
  const admin = newKafka({ ...options, brokers: [address], retry: { retries: 0 }, logCreator: silent }).admin();
  try {
    await withTimeout(
      aloneTimeoutMs,
      admin.connect().then(() => admin.describeCluster()),
      'no answer',
    );
    return undefined;
  } catch (error) {
    return await diagnose(troubleOf(error), { address, kafka, ssl: options.ssl as object | undefined }).catch(
      () => undefined,
    );
  } finally {
    void admin.disconnect().catch(() => undefined);
  }
}

/** A kafkajs client with all that we put in the place of parts of it. */
export function newKafka(options: KafkaConfig): Kafka {
  installFetchDecoding();
  installFrameBounds();
  installQuietQueue();
  installSharedConnect();
  return new Kafka(options);
}

/**
 * Requests time out (kafkajs leaves that off by default) and its own retries are few, because every caller of ours has a retry loop that
 * knows more.
 */
function optionsOf({ kafka }: Config, role: string): KafkaConfig {
  return {
    clientId: `${kafka.clientId}-${role}`,
    brokers: kafka.brokers.map(bootstrapBroker),
    socketFactory: kafkaSocket,
    connectionTimeout: 3_000,
    authenticationTimeout: kafkaRequests.requestMs,
    requestTimeout: kafkaRequests.requestMs,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    ...(kafka.tls ? { ssl: tlsOf(kafka) } : {}),
    ...(kafka.saslMechanism
      ? {
          sasl: {
            mechanism: kafka.saslMechanism,
            username: kafka.saslUsername,
            password: kafka.saslPassword,
          } as SASLOptions,
        }
      : {}),
  };
}

function tlsOf({ tlsCaFile, tlsCertFile, tlsKeyFile }: Config['kafka']): Exclude<KafkaConfig['ssl'], boolean> {
  return {
    ca: tlsCaFile ? [readCertificates({ env: 'KAFKA_TLS_CA_FILE', path: tlsCaFile })] : undefined,
    ...(tlsCertFile && tlsKeyFile
      ? readKeyPair({ env: 'KAFKA_TLS_CERT_FILE', path: tlsCertFile }, { env: 'KAFKA_TLS_KEY_FILE', path: tlsKeyFile })
      : {}),
  };
}

const silent: logCreator = () => () => undefined;

function kafkaLog(log: Logger): logCreator {
  return () =>
    ({ namespace, level, log: { message, timestamp: _, logger: __, ...fields } }) => {
      log[pinoLevels[level] ?? 'debug']({ kafka: namespace, ...fields, stack: undefined }, message);
    };
}
