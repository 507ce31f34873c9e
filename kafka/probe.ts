import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

/** What listens at an address. */
export type Speaker = 'kafka' | 'tls' | 'http' | 'http2' | 'postgres';

const answerMsMax = 2_000;
const correlationId = 0x68656164;
const apiVersionsKey = 18;
const saslHandshakeKey = 17;

/**
 * What listens there, by what it says to a request of Kafka's, or to a greeting of TLS. Undefined when it says nothing that is known. For error
 * messages: a client that only sees its connection closed cannot tell a port with TLS from a web server.
 */
export async function speakerAt(address: string): Promise<Speaker | undefined> {
  const [plain, tls] = await Promise.all([
    exchange(connectTcp(placeOf(address)), request(apiVersionsKey, 0)),
    speaksTls(address),
  ]);
  return speakerOf(plain) ?? (tls ? 'tls' : undefined);
}

/** The SASL mechanisms that a broker offers there, in Kafka's spelling; empty where it has none, or does not say. */
export async function mechanismsAt(address: string, ssl: object | undefined): Promise<string[]> {
  const socket = ssl
    ? connectTls({ ...placeOf(address), ...serverNameOf(address), ...ssl })
    : connectTcp(placeOf(address));
  const answer = await exchange(socket, request(saslHandshakeKey, 1, Buffer.from([0, 0])));
  try {
    return speakerOf(answer) === 'kafka' ? stringsOf(answer.subarray(10)) : [];
  } catch {
    // It broke off in the middle of a name.
    return [];
  }
}

/** The host and port of an address, IPv6 in brackets or not. */
export function placeOf(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

function serverNameOf(address: string): { servername?: string } {
  const { host } = placeOf(address);
  return isIP(host) ? {} : { servername: host };
}

/** Without a client id. */
function request(key: number, version: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(14);
  head.writeInt32BE(10 + body.length, 0);
  head.writeInt16BE(key, 4);
  head.writeInt16BE(version, 6);
  head.writeInt32BE(correlationId, 8);
  head.writeInt16BE(-1, 12);
  return Buffer.concat([head, body]);
}

function speakerOf(answer: Buffer): Speaker | undefined {
  const text = answer.toString('latin1');
  if (answer.length >= 10 && answer.readInt32BE(4) === correlationId) return 'kafka';
  if (text.startsWith('HTTP/')) return 'http';
  // A SETTINGS frame of stream 0.
  if (answer.length >= 9 && answer[3] === 4 && answer.readInt32BE(5) === 0) return 'http2';
  if (/^E[^]{4}S(FATAL|ERROR)/.test(text) || text.startsWith('EFATAL')) return 'postgres';
  return answer[0] === 0x15 && answer[1] === 0x03 ? 'tls' : undefined;
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

/** The first bytes that come back, none when the connection fails or stays silent. */
function exchange(socket: Socket | TLSSocket, bytes: Buffer): Promise<Buffer> {
  return settled(socket, Buffer.alloc(0), (resolve) => {
    socket.once('data', resolve);
    socket.write(bytes);
  });
}

function speaksTls(address: string): Promise<boolean> {
  // Whom it belongs to does not matter here: nothing is sent.
  const socket = connectTls({ ...placeOf(address), ...serverNameOf(address), rejectUnauthorized: false });
  return settled(socket, false, (resolve) => socket.once('secureConnect', () => resolve(true)));
}

/** What `listen` resolves with; `otherwise` when the connection ends before, or nothing comes in time. */
function settled<T>(socket: Socket, otherwise: T, listen: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve) => {
    socket.setTimeout(answerMsMax, () => resolve(otherwise));
    socket.on('error', () => resolve(otherwise));
    socket.once('close', () => resolve(otherwise));
    listen(resolve);
  }).finally(() => socket.destroy());
}
