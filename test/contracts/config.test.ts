import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../contracts/schemas/config.ts';

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
