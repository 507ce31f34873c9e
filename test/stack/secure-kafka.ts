import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import {
  defaultCacheDir,
  freePort,
  newClusterId,
  prepareKafka,
  startKafka,
  type KafkaServer,
} from '../../stack/servers/index.ts';
import { makeCertificate, type Certificate } from './certificates.ts';

/** The ways in; each is a listener of its own. */
const ways = ['saslSsl', 'saslPlain', 'tls', 'mtls', 'lost'] as const;
type Way = (typeof ways)[number];

export interface SecureKafka {
  server: KafkaServer;
  /** host:port of each way in. `lost` sends its clients to a port where nothing listens. */
  addresses: Record<Way, string>;
  /** Where `lost` sends them. */
  nowhere: string;
  /** Of the controller, which speaks Kafka's protocol and is no broker. */
  controller: string;
  /** Signed the brokers' certificate and that of `us`. */
  authority: Certificate;
  us: Certificate;
  /** A client who may do everything. */
  kafka: Kafka;
  stop: () => Promise<void>;
}

/** Users, each of all mechanisms. */
export const superUser = { username: 'alice', password: 'p@ss:word $of; alice%' };
/** Has no rights but those that a test gives to her. */
export const plainUser = { username: 'mallory', password: 'pass of mallory' };
const users = [superUser, plainUser];
const quoted = (text: string) => text.replaceAll('"', '\\"');

/**
 * One broker of this file's own with TLS, client certificates, SASL and access control.
 * @param folder for data and certificates
 */
export async function startSecureKafka(folder: string): Promise<SecureKafka> {
  const [port, controllerPort, nowherePort] = [await freePort(), await freePort(), await freePort()];
  const portOf = Object.fromEntries(
    await Promise.all(ways.map(async (way) => [way, await freePort()] as const)),
  ) as Record<Way, number>;
  const authority = makeCertificate('authority');
  const keyStore = pemFile(folder, 'broker.pem', makeCertificate('broker', authority));
  const trustStore = join(folder, 'authority.pem');
  writeFileSync(trustStore, authority.cert);
  const nowhere = `localhost:${nowherePort}`;
  const server = await startKafka({
    jarsDir: await prepareKafka({
      cacheDir: defaultCacheDir(process.env),
      version: process.env['HEADRACE_TEST_KAFKA_VERSION'] || undefined,
    }),
    dataDir: join(folder, 'kafka'),
    heapMegabytesMax: 384,
    port,
    place: { nodeId: 1, clusterId: newClusterId(), controllerPorts: [controllerPort] },
    settings: {
      listeners: [
        `PLAINTEXT://127.0.0.1:${port}`,
        `CONTROLLER://127.0.0.1:${controllerPort}`,
        ...ways.map((way) => `${way.toUpperCase()}://127.0.0.1:${portOf[way]}`),
      ].join(','),
      'advertised.listeners': [
        `PLAINTEXT://127.0.0.1:${port}`,
        ...ways.map((way) => `${way.toUpperCase()}://${way === 'lost' ? nowhere : `localhost:${portOf[way]}`}`),
      ].join(','),
      'listener.security.protocol.map':
        'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASLSSL:SASL_SSL,SASLPLAIN:SASL_PLAINTEXT,TLS:SSL,MTLS:SSL,LOST:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keyStore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': trustStore,
      'listener.name.mtls.ssl.client.auth': 'required',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.saslplain.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
      ...(Object.assign({}, ...['saslssl', 'saslplain'].map(saslSettings)) as Record<string, string>),
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': `User:ANONYMOUS;User:${superUser.username};User:CN=us`,
    },
    formatArguments: users.flatMap(({ username, password }) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${username},password="${quoted(password)}"]`,
      ]),
    ),
  });
  return {
    server,
    nowhere,
    controller: `127.0.0.1:${controllerPort}`,
    authority,
    us: makeCertificate('us', authority),
    addresses: Object.fromEntries(ways.map((way) => [way, `localhost:${portOf[way]}`])) as Record<Way, string>,
    kafka: new Kafka({ clientId: 'test', brokers: [server.address], logLevel: logLevel.NOTHING }),
    stop: () => server.stop(),
  };
}

function saslSettings(listener: string): Record<string, string> {
  const login = (mechanism: string, module: string, options = '') =>
    [
      `listener.name.${listener}.${mechanism}.sasl.jaas.config`,
      `org.apache.kafka.common.security.${module} required${options};`,
    ] as const;
  return Object.fromEntries([
    login(
      'plain',
      'plain.PlainLoginModule',
      users.map(({ username, password }) => ` user_${username}="${quoted(password)}"`).join(''),
    ),
    login('scram-sha-256', 'scram.ScramLoginModule'),
    login('scram-sha-512', 'scram.ScramLoginModule'),
  ]);
}

/** Key and certificate in one file, as Kafka takes them. */
function pemFile(folder: string, name: string, { key, cert }: Certificate): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, Buffer.concat([key, cert]), { mode: 0o600 });
  return file;
}
