import { describe, expect, test } from 'vitest';
import { cleanSettings, parseConfig } from '../../contracts/schemas/config.ts';

describe('settings of Kafka', () => {
  test.each(['SCRAM-SHA-512', 'scram-sha-512', 'Scram-Sha-512'])('a mechanism in any case: %s', (mechanism) => {
    expect(
      parseConfig({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: 'a', KAFKA_SASL_PASSWORD: 'b' }).kafka
        .saslMechanism,
    ).toBe('scram-sha-512');
  });

  test.each(['OAUTHBEARER', 'AWS_MSK_IAM', 'GSSAPI'])('%s is refused with what there is', (mechanism) => {
    expect(() => parseConfig({ KAFKA_SASL_MECHANISM: mechanism })).toThrow(
      /KAFKA_SASL_MECHANISM: is none of plain, scram-sha-256, scram-sha-512; where brokers offer only OAUTHBEARER, AWS_MSK_IAM or GSSAPI \(Kerberos\), add a SCRAM listener or use a client certificate/,
    );
  });

  test.each([
    ['True', true],
    ['YES', true],
    ['False', false],
  ])('KAFKA_TLS=%s', (value, expected) => {
    expect(parseConfig({ KAFKA_TLS: value }).kafka.tls).toBe(expected);
  });

  test('files of TLS without TLS are refused: they would have no effect', () => {
    expect(() => parseConfig({ KAFKA_TLS_CA_FILE: 'ca.pem' })).toThrow(
      /KAFKA_TLS_CA_FILE.* have no effect without KAFKA_TLS=true/,
    );
  });
});

describe('what stands around a value', () => {
  test.each<[string, string, (config: ReturnType<typeof parseConfig>) => unknown, unknown]>([
    ['TEMPORAL_ADDRESS', ' temporal:7233 ', ({ temporal }) => temporal.address, 'temporal:7233'],
    ['HEADRACE_LOG_LEVEL', 'warn\r', ({ logLevel }) => logLevel, 'warn'],
    ['KAFKA_TLS', 'true\r\n', ({ kafka }) => kafka.tls, true],
    ['HEADRACE_DATA_DIR', '/data dir\r', ({ dataDir }) => dataDir, '/data dir'],
    ['HEADRACE_GATEWAY_PORT', ' ', ({ gateway }) => gateway.port, 8_000],
    ['DATABASE_URL', 'postgres://ann:pw@db/shop\n', ({ database }) => database.url, 'postgres://ann:pw@db/shop'],
    ['TEMPORAL_API_KEY', ' key \n', ({ temporal }) => temporal.apiKey, ' key '],
  ])('does not belong to %s', (name, value, read, expected) => {
    expect(read(parseConfig({ [name]: value }))).toBe(expected);
  });

  test('is told to those that hand the environment on', () => {
    expect(
      cleanSettings({ KAFKA_BROKERS: 'a:1\r', KAFKA_SASL_PASSWORD: 'pw\n', HEADRACE_EPOCH: '1', OTHERS: 'x\n' }),
    ).toEqual({ KAFKA_BROKERS: 'a:1', KAFKA_SASL_PASSWORD: 'pw' });
  });
});

test.each([
  ['KAFKA_BROKERS', ' , ,', 'has nothing between its commas'],
  ['HEADRACE_PIPELINES', ',', 'has nothing between its commas'],
  [
    'HEADRACE_GATEWAY_PORT',
    'tcp://10.0.0.1:8000',
    'what Kubernetes sets for a Service of that name: set enableServiceLinks: false',
  ],
  ['HEADRACE_METRICS_PORT', 'http', 'must be a whole number from 0 to 65535'],
  ['HEADRACE_METRICS_PORT', '70000', 'must be a whole number from 0 to 65535'],
  ['HEADRACE_LINGER_MS', 'soon', 'must be auto or a whole number from 0 to 10000'],
  ['HEADRACE_LINGER_MS', '-1', '>=0'],
])('%s=%s is refused', (name, value, reason) => {
  const parse = () => parseConfig({ [name]: value });
  expect(parse).toThrow(`${name}: `);
  expect(parse).toThrow(reason);
});

test.each([
  [{}, 'auto'],
  [{ HEADRACE_LINGER_MS: 'auto' }, 'auto'],
  [{ HEADRACE_LINGER_MS: '0' }, 0],
  [{ HEADRACE_LINGER_MS: '250' }, 250],
])('the linger of %j is %s', (env, lingerMs) => {
  expect(parseConfig(env).bridge.lingerMs).toBe(lingerMs);
});
