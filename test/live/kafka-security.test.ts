import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer as createTcp, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import { AclPermissionTypes, AclResourceTypes, ResourcePatternTypes, type Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKafkaSource } from '../../kafka/consumer.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import { connectKafka } from '../../kafka/connection.ts';
import { createLogger } from '../../lib/log.ts';
import { createPublisher } from '../../kafka/producer.ts';
import { ensureTopics } from '../../kafka/topics.ts';
import { makeCertificate, type Certificate } from '../stack/certificates.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { plainUser, startSecureKafka, superUser, type SecureKafka } from '../stack/secure-kafka.ts';
import { paymentsPipeline } from './payments.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

type Env = Record<string, string>;

const folder = mkdtempSync(join(tmpdir(), 'headrace-security-'));
const log = createLogger('test', 'silent');
const strangers = makeCertificate('stranger');
const toClose: Server[] = [];
let secure: SecureKafka;
let admin: Admin;
let tls: Env;

beforeAll(async () => {
  secure = await startSecureKafka(folder);
  admin = secure.kafka.admin();
  await admin.connect();
  // As Windows' tools write it.
  tls = {
    KAFKA_TLS: 'True',
    KAFKA_TLS_CA_FILE: file('authority.pem', `\uFEFF${secure.authority.cert.toString().replaceAll('\n', '\r\n')}`),
  };
}, 180_000);
afterAll(async () => {
  for (const server of toClose) server.close();
  await admin?.disconnect();
  await secure?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}, 60_000);

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const sasl = (mechanism: string, { username, password } = superUser): Env => ({
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: username,
  KAFKA_SASL_PASSWORD: password,
});
const clientCertificate = ({ name, cert, key }: Certificate): Env => ({
  KAFKA_TLS_CERT_FILE: file(`${name}.crt`, cert),
  KAFKA_TLS_KEY_FILE: file(`${name}.key`, key.toString().replaceAll('\n', '\r\n')),
});
const connect = async (env: Env) => connectKafka(parseConfig(env), log, 'test');

/** host:port of a server of this test's own, on this machine. */
async function listening(server: Server): Promise<string> {
  toClose.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `localhost:${(server.address() as AddressInfo).port}`;
}

describe('a broker with access control', () => {
  const ways: [string, () => Env][] = [
    ['SASL_SSL with PLAIN', () => ({ KAFKA_BROKERS: secure.addresses.saslSsl, ...tls, ...sasl('PLAIN') })],
    [
      'SASL_SSL with SCRAM-SHA-256',
      () => ({ KAFKA_BROKERS: secure.addresses.saslSsl, ...tls, ...sasl('SCRAM-SHA-256') }),
    ],
    [
      'SASL_SSL with SCRAM-SHA-512',
      () => ({ KAFKA_BROKERS: secure.addresses.saslSsl, ...tls, ...sasl('scram-sha-512') }),
    ],
    [
      'SASL_PLAINTEXT with SCRAM-SHA-512',
      () => ({ KAFKA_BROKERS: secure.addresses.saslPlain, ...sasl('SCRAM-SHA-512') }),
    ],
    [
      'SSL with a client certificate',
      () => ({ KAFKA_BROKERS: secure.addresses.mtls, ...tls, ...clientCertificate(secure.us) }),
    ],
  ];

  test.each(ways)('%s: topics are made, records sent and read, offsets committed', async (_, env) => {
    const topic = uniqueName('topic');
    const kafka = await connect(env());
    expect(await ensureTopics(kafka, [paymentsPipeline({ name: topic, topic, partitions: 1 })], {})).toContain(topic);
    const publisher = await createPublisher(kafka);
    await publisher
      .publish(topic, [
        { key: 'a', value: '1' },
        { key: 'a', value: '2' },
      ])
      .finally(() => publisher.close());
    const source = createKafkaSource(kafka, {
      topic,
      groupId: uniqueName('group'),
      sessionTimeoutMs: 10_000,
      chains: 1,
    });
    const offsets: number[] = [];
    try {
      await source.start({
        assigned: (partitions) => partitions.forEach((partition) => source.resume(partition)),
        fetched: ({ records }) => offsets.push(...records.map(({ offset }) => offset)) > 0,
        wantsMore: () => true,
        crashed: (error) => expect.unreachable(error.message),
      });
      await until('both records', () => offsets.length === 2);
      await source.commit([{ partition: 0, offset: 2, metadata: 'ours' }]);
      expect(await source.committed()).toEqual(new Map([[0, { offset: 2, metadata: 'ours' }]]));
    } finally {
      await source.stop();
    }
  });

  test('a broker that is dead does not matter beside a good one', async () => {
    await expect(connect({ KAFKA_BROKERS: `127.0.0.1:1,${secure.addresses.tls}`, ...tls })).resolves.toBeDefined();
  });

  test('bridge and worker decide events over SASL_SSL with SCRAM-SHA-512', async () => {
    const system = await System.start({
      kafka: secure.kafka,
      env: { KAFKA_BROKERS: secure.addresses.saslSsl, ...tls, ...sasl('SCRAM-SHA-512') },
    });
    try {
      const messages = Array.from({ length: 20 }, (__, i) => ({
        key: 'a',
        value: JSON.stringify({ id: `e${i}`, account: 'a', amount: i, at: Date.now() }),
      }));
      await system.producer.send({ topic: system.topic, acks: -1, messages });
      await until('20 decisions', async () => (await system.countDecisions()) === 20, { detail: () => system.logs() });
    } finally {
      await system.stop();
    }
  }, 180_000);
});

describe('a setting that does not fit the broker is named', () => {
  const garbage = (bytes: number[]) =>
    createTcp((socket) => socket.on('error', () => undefined).end(Buffer.from(bytes)));
  const withCertificate = ({ cert, key }: Certificate) =>
    createTls({ cert, key }, (socket) => socket.on('error', () => undefined)).on('tlsClientError', () => undefined);
  const wrong: [string, () => Env | Promise<Env>, string | RegExp][] = [
    [
      'a wrong password for PLAIN',
      () => ({
        KAFKA_BROKERS: secure.addresses.saslSsl,
        ...tls,
        ...sasl('plain', { ...superUser, password: `${superUser.password} ` }),
      }),
      /^no Kafka can be used: localhost:\d+ refuses the user or the password: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD \(the password ends with a space or a line break\)$/,
    ],
    [
      'a wrong password for SCRAM',
      () => ({
        KAFKA_BROKERS: secure.addresses.saslSsl,
        ...tls,
        ...sasl('scram-sha-512', plainUser),
        KAFKA_SASL_PASSWORD: 'wrong',
      }),
      /password: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD$/,
    ],
    [
      'an unknown user',
      () => ({
        KAFKA_BROKERS: secure.addresses.saslSsl,
        ...tls,
        ...sasl('scram-sha-256', { username: 'nobody', password: 'x' }),
      }),
      /password: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD$/,
    ],
    [
      'no user',
      () => ({ KAFKA_BROKERS: secure.addresses.saslSsl, ...tls }),
      /wants a user: set KAFKA_SASL_MECHANISM \(it offers [^)]*SCRAM-SHA-512[^)]*\), KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD$/,
    ],
    [
      'no user, without TLS',
      () => ({ KAFKA_BROKERS: secure.addresses.saslPlain }),
      /wants a user: set KAFKA_SASL_MECHANISM/,
    ],
    [
      'a mechanism that is not offered',
      () => ({ KAFKA_BROKERS: secure.addresses.saslPlain, ...sasl('scram-sha-256') }),
      /offers no SASL SCRAM-SHA-256 but (PLAIN, SCRAM-SHA-512|SCRAM-SHA-512, PLAIN): see KAFKA_SASL_MECHANISM$/,
    ],
    [
      'a user where none is wanted',
      () => ({ KAFKA_BROKERS: secure.addresses.tls, ...tls, ...sasl('plain') }),
      /takes no user and password at this port: unset KAFKA_SASL_MECHANISM/,
    ],
    [
      'an authority that is not known',
      () => ({ KAFKA_BROKERS: secure.addresses.tls, KAFKA_TLS: 'true' }),
      /certificate of an authority that is not a public one: name the authority's PEM file in KAFKA_TLS_CA_FILE$/,
    ],
    [
      'another authority',
      () => ({
        KAFKA_BROKERS: secure.addresses.tls,
        KAFKA_TLS: 'true',
        KAFKA_TLS_CA_FILE: file('other.pem', strangers.cert),
      }),
      /certificate of an authority that is not in KAFKA_TLS_CA_FILE \(.*other\.pem\)$/,
    ],
    ['a client without TLS', () => ({ KAFKA_BROKERS: secure.addresses.tls }), /speaks TLS: set KAFKA_TLS=true$/],
    [
      'a client with TLS',
      () => ({ KAFKA_BROKERS: secure.server.address, ...tls }),
      /speaks Kafka without TLS: set KAFKA_TLS=false/,
    ],
    [
      'no client certificate',
      () => ({ KAFKA_BROKERS: secure.addresses.mtls, ...tls }),
      /wants a client certificate: set KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE$/,
    ],
    [
      "a stranger's client certificate",
      () => ({ KAFKA_BROKERS: secure.addresses.mtls, ...tls, ...clientCertificate(strangers) }),
      /refuses the client certificate in KAFKA_TLS_CERT_FILE/,
    ],
    [
      'an advertised address where nobody listens',
      () => ({ KAFKA_BROKERS: secure.addresses.lost }),
      /^no Kafka can be used: localhost:\d+ sends its clients to localhost:\d+, which cannot be reached \(.*ECONNREFUSED.*\); if that address is wrong from here, change the broker's advertised\.listeners$/,
    ],
    ['the port of a controller', () => ({ KAFKA_BROKERS: secure.controller }), /is it the port of a controller\?$/],
    [
      'a port that does not exist',
      () => ({ KAFKA_BROKERS: 'localhost:99999' }),
      /KAFKA_BROKERS: each must look like host:port/,
    ],
    [
      'a certificate that has expired',
      async () => ({
        KAFKA_BROKERS: await listening(
          withCertificate(makeCertificate('old', secure.authority, { validUntil: new Date(Date.now() - 60_000) })),
        ),
        ...tls,
      }),
      /has a certificate that has expired/,
    ],
    [
      'a certificate for another host',
      async () => ({
        KAFKA_BROKERS: await listening(
          withCertificate(makeCertificate('other', secure.authority, { host: 'kafka.example' })),
        ),
        ...tls,
      }),
      /for other names \(DNS:kafka\.example\): KAFKA_BROKERS/,
    ],
    [
      'a web server',
      async () => ({ KAFKA_BROKERS: await listening(createHttp()) }),
      /is a web server \(it speaks HTTP\): check the port in KAFKA_BROKERS$/,
    ],
    [
      'a web server, with TLS',
      async () => ({ KAFKA_BROKERS: await listening(createHttp()), ...tls }),
      /is a web server/,
    ],
    ['a gRPC server', async () => ({ KAFKA_BROKERS: await listening(createHttp2()) }), /is a gRPC server/],
    [
      'Postgres',
      async () => ({ KAFKA_BROKERS: new URL((await startLiveServers({ postgres: true })).postgres.databaseUrl).host }),
      /is a Postgres server/,
    ],
    [
      'a server that announces less than nothing',
      async () => ({ KAFKA_BROKERS: await listening(garbage([255, 255, 255, 240, 0, 0, 0, 0])) }),
      /no Kafka answers at .*; check KAFKA_BROKERS/,
    ],
    [
      'a server that announces nothing',
      async () => ({ KAFKA_BROKERS: await listening(garbage([0, 0, 0, 0])) }),
      /no Kafka answers at .*; check KAFKA_BROKERS/,
    ],
    [
      'a wrong one among dead ones',
      () => ({ KAFKA_BROKERS: `127.0.0.1:1,${secure.addresses.tls}` }),
      /^no Kafka can be used: localhost:\d+ speaks TLS: set KAFKA_TLS=true$/,
    ],
  ];

  // Most of them wait for kafkajs's tries, so they wait together.
  test.concurrent.each(wrong)('%s', async (_, env, sentence) => {
    const settings = await env();
    const error = await connect(settings).then(
      () => expect.unreachable('it connected'),
      (reason: unknown) => reason as Error,
    );
    expect(error.message).toMatch(sentence);
    expect(error.message).not.toContain(settings['KAFKA_SASL_PASSWORD'] ?? 'no password');
  });
});

describe('a right that is missing is named', () => {
  const topic = uniqueName('guarded');
  const groupId = `readers.of.${topic}`;
  /** As Kafka numbers them; kafkajs declares these names, and does not export them. */
  const operations = { READ: 3, WRITE: 4 };
  const allow = (type: 'TOPIC' | 'GROUP', resourceName: string, operation: keyof typeof operations) =>
    admin.createAcls({
      acl: [
        {
          resourceType: AclResourceTypes[type],
          resourceName,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          principal: `User:${plainUser.username}`,
          host: '*',
          operation: operations[operation],
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    });
  const connectPlain = () => connect({ KAFKA_BROKERS: secure.addresses.saslSsl, ...tls, ...sasl('plain', plainUser) });

  test('for topics', async () => {
    const kafka = await connectPlain();
    await expect(ensureTopics(kafka, [paymentsPipeline({ name: topic, topic })], {})).rejects.toThrow(
      new RegExp(`^Kafka shows this user no topics ${topic}, .*and does not let it create them .*give it the right`),
    );
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
    const publisher = await createPublisher(kafka);
    try {
      await expect(publisher.publish(topic, [{ value: 'x' }])).rejects.toThrow(
        new RegExp(`needs the rights to Describe and Write topic ${topic}$`),
      );
      await allow('TOPIC', topic, 'WRITE');
      await publisher.publish(topic, [{ value: 'x' }]);
    } finally {
      await publisher.close();
    }
  });

  test('for the group, then for reading: what the consumer ends with', async () => {
    const kafka = await connectPlain();
    /** Why a consumer ended. */
    async function ending(): Promise<string> {
      const source = createKafkaSource(kafka, { topic, groupId, sessionTimeoutMs: 10_000, chains: 1 });
      try {
        return await new Promise<string>((resolve) => {
          const crashed = (error: Error) => resolve(error.message);
          source
            .start({
              assigned: (partitions) => partitions.forEach((partition) => source.resume(partition)),
              fetched: () => true,
              wantsMore: () => true,
              crashed,
            })
            .catch(crashed);
        });
      } finally {
        await source.stop();
      }
    }
    expect(await ending()).toContain(`needs the right to Read group ${groupId}`);
    await allow('GROUP', groupId, 'READ');
    expect(await ending()).toContain(`needs the rights to Describe and Read topic ${topic}`);
  });
});
