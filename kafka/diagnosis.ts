import { messageOf } from '../contracts/failures.ts';
import { readHostPort } from '../lib/host-port.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { brokerAddress } from './address.ts';
import { mechanismsAt } from './probe.ts';
import { whoAnswers } from '../lib/who-answers.ts';

type KafkaSettings = Config['kafka'];

/** What kafkajs, Node and OpenSSL tell of a failure. */
interface Trouble {
  name: string;
  message: string;
  /** Of Node and OpenSSL. */
  code?: string;
  /** Of Kafka's protocol. */
  type?: string;
  /** host:port that it happened with. */
  broker?: string;
}

const untrusted = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
];
/** Alerts by which a server tells that it does not like our certificate, or that there is none. */
const aboutOurCertificate =
  /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|CERTIFICATE_REQUIRED)$/;

const others = {
  'http/1.1': 'a web server (it speaks HTTP)',
  'http/2': 'a gRPC server',
  postgres: 'a Postgres server',
} as const;

/** A broker of `KAFKA_BROKERS`, and the client that did not get through. */
export interface Attempt {
  /** host:port */
  address: string;
  kafka: KafkaSettings;
  ssl: object | undefined;
}

/** kafkajs's accounts of what became of a failure; the failure itself is their cause. */
const accounts = ['KafkaJSNumberOfRetriesExceeded', 'KafkaJSNonRetriableError'];

/** The failure itself, which kafkajs wraps. */
export function troubleOf(error: unknown): Trouble {
  let trouble = error instanceof Error ? error : new Error(messageOf(error));
  while (accounts.includes(trouble.name) && trouble.cause instanceof Error) trouble = trouble.cause;
  const { code, type, broker } = trouble as Partial<Trouble>;
  return { name: trouble.name, message: messageOf(trouble), code, type, broker };
}

/** What is wrong, with which broker, and the setting to change. Undefined when that is not sure. */
export async function diagnose(trouble: Trouble, attempt: Attempt): Promise<string | undefined> {
  const broker = trouble.broker === undefined ? undefined : brokerAddress(trouble.broker);
  if (broker === undefined || isSameAddress(broker, attempt.address)) {
    const what = await diagnoseAt(trouble, { ...attempt, namedBy: 'KAFKA_BROKERS' });
    return what && `${attempt.address} ${what}`;
  }
  const what =
    (await diagnoseAt(trouble, { ...attempt, address: broker, namedBy: "the broker's advertised.listeners" })) ??
    `cannot be reached (${trouble.message})`;
  return `${attempt.address} sends its clients to ${broker}, which ${what}; if that address is wrong from here, change the broker's advertised.listeners`;
}

/** An attempt, and what names the address. */
type Named = Attempt & { namedBy: string };

async function diagnoseAt(trouble: Trouble, attempt: Named): Promise<string | undefined> {
  if (/does not support the requested API version/.test(trouble.message))
    return 'speaks the protocol, but not as a broker does: is it the port of a controller?';
  if (trouble.code === 'ENOTFOUND') return `has a name that DNS does not know: check ${attempt.namedBy}`;
  return diagnoseTls(trouble, attempt) ?? (await diagnoseSasl(trouble, attempt)) ?? (await diagnoseSpeaker(attempt));
}

function diagnoseTls({ code = '', message }: Trouble, { kafka }: Attempt): string | undefined {
  if (untrusted.includes(code)) {
    return kafka.tlsCaFile
      ? `has a certificate of an authority that is not in KAFKA_TLS_CA_FILE (${kafka.tlsCaFile})`
      : "has a certificate of an authority that is not a public one: name the authority's PEM file in KAFKA_TLS_CA_FILE";
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = /altnames: ((?:DNS|IP Address|URI):.*)$/.exec(message)?.[1];
    return `has a certificate for other names${names ? ` (${names})` : ''}: KAFKA_BROKERS and the broker's advertised.listeners need a name that is in it`;
  }
  if (code === 'CERT_HAS_EXPIRED') return 'has a certificate that has expired: renew it on the broker';
  if (code === 'CERT_NOT_YET_VALID') return "has a certificate that is not valid yet: check this machine's clock";
  if (!aboutOurCertificate.test(code)) return undefined;
  return kafka.tlsCertFile
    ? `refuses the client certificate in KAFKA_TLS_CERT_FILE (${alertOf(code)}): it takes those of authorities in its trust store`
    : 'wants a client certificate: set KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE';
}

const alertOf = (code: string) => /ALERT_(.*)$/.exec(code)![1]!.toLowerCase().replaceAll('_', ' ');

async function diagnoseSasl(
  { name, type, message }: Trouble,
  { address, kafka, ssl }: Attempt,
): Promise<string | undefined> {
  if (type === 'ILLEGAL_SASL_STATE')
    return 'takes no user and password at this port: unset KAFKA_SASL_MECHANISM, or name the port of its SASL listener';
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || message.endsWith('mechanism is not supported by the server')) {
    const offered = await mechanismsAt(address, ssl);
    return `offers no SASL ${kafka.saslMechanism!.toUpperCase()}${offered.length > 0 ? ` but ${offered.join(', ')}` : ''}: see KAFKA_SASL_MECHANISM`;
  }
  if (name !== 'KafkaJSSASLAuthenticationError') return undefined;
  const oddEnd = /\s$/.test(kafka.saslPassword ?? '') ? ' (the password ends with a space or a line break)' : '';
  return `refuses the user or the password: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD${oddEnd}`;
}

/** By what the server says when it is asked again. */
async function diagnoseSpeaker({ address, namedBy, kafka, ssl }: Named): Promise<string | undefined> {
  const peer = await whoAnswers(address);
  if (peer === 'nobody' || peer === 'other') return undefined;
  if (peer === 'tls') {
    if (!kafka.tls) return 'speaks TLS: set KAFKA_TLS=true';
  } else if (peer === 'kafka') {
    if (kafka.tls) return 'speaks Kafka without TLS: set KAFKA_TLS=false, or name the port of its TLS listener';
  } else return `is ${others[peer]}: check the port in ${namedBy}`;
  if (kafka.saslMechanism) return undefined;
  const offered = await mechanismsAt(address, ssl);
  return offered.length > 0
    ? `wants a user: set KAFKA_SASL_MECHANISM (it offers ${offered.join(', ')}), KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`
    : undefined;
}

/** True for two spellings of one address. */
function isSameAddress(one: string, other: string): boolean {
  const [a, b] = [readHostPort(one), readHostPort(other)];
  return a && b ? a.host.toLowerCase() === b.host.toLowerCase() && a.port === b.port : one === other;
}
