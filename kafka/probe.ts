import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readHostPort } from '../lib/host-port.ts';
import { exchange, tlsPlace } from '../lib/who-answers.ts';

const correlationId = 0x68656164;
/** SaslHandshake, version 1, without a client id and without a mechanism. */
const saslHandshake = Buffer.from([0, 0, 0, 12, 0, 17, 0, 1, 0x68, 0x65, 0x61, 0x64, 255, 255, 0, 0]);

/** The SASL mechanisms that a broker offers at an address (host:port), in Kafka's spelling; empty where it has none, or does not say. */
export async function mechanismsAt(address: string, ssl: object | undefined): Promise<string[]> {
  const place = readHostPort(address);
  if (place === undefined) return [];
  const socket = ssl ? connectTls({ ...tlsPlace(place), ...ssl }) : connectTcp(place);
  const answer = (await exchange(socket, saslHandshake, isWhole)) ?? Buffer.alloc(0);
  try {
    return answer.length >= 10 && answer.readInt32BE(4) === correlationId ? stringsOf(answer.subarray(10)) : [];
  } catch {
    // It broke off in the middle of a name.
    return [];
  }
}

/** An answer says its length first. */
function isWhole(answer: Buffer): boolean {
  return answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0);
}

/** An array of strings as Kafka writes it. */
function stringsOf(bytes: Buffer): string[] {
  const strings: string[] = [];
  let at = 4;
  for (let count = bytes.readInt32BE(0); count > 0; count--) {
    const length = bytes.readInt16BE(at);
    strings.push(bytes.toString('utf8', at + 2, at + 2 + length));
    at += 2 + length;
  }
  return strings;
}
