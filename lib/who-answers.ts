import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { readHostPort, type HostPort } from './host-port.ts';

/** What answers at an address. `other` takes connections and speaks none of the languages that are known here, or says nothing. */
export type Peer = 'nobody' | 'http/1.1' | 'http/2' | 'tls' | 'postgres' | 'kafka' | 'other';

/** What a gRPC server should have been there, for the sentence about what is there instead. */
export interface Expected {
  /** "Temporal" */
  service: string;
  /** "usually 7233, and 8233 is its Web UI" */
  port: string;
  /** Whether we speak TLS to it, and the setting that says so. */
  tls: boolean;
  tlsSetting: string;
}

const timeoutMs = 1_500;
const answerBytesMax = 4_096;

/** Each begins a conversation in one language; `is` recognises the answer of a server that speaks it. */
const languages: readonly { peer: Peer; hello: Buffer; is: (answer: Buffer) => boolean }[] = [
  // The preface, and an empty SETTINGS frame; a server answers with its own SETTINGS, of type 4 on stream 0.
  {
    peer: 'http/2',
    hello: Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]),
    is: (answer) => answer.length >= 9 && answer[3] === 4 && answer.readUInt32BE(5) === 0,
  },
  {
    peer: 'http/1.1',
    hello: Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    is: (answer) => answer.toString('latin1', 0, 5) === 'HTTP/',
  },
  // SSLRequest, which a server answers with one letter.
  {
    peer: 'postgres',
    hello: Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]),
    is: (answer) => answer.length === 1 && 'SN'.includes(answer.toString('latin1')),
  },
  // ApiVersions, version 0, correlation id 7, no client id; the answer repeats the correlation id behind its length.
  {
    peer: 'kafka',
    hello: Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255]),
    is: (answer) => answer.length >= 8 && answer.readUInt32BE(4) === 7,
  },
];

/** Finds out what answers at an address (host:port), by speaking to it. For messages about a server that cannot be used. */
export async function whoAnswers(address: string): Promise<Peer> {
  const place = readHostPort(address);
  if (place === undefined) return 'nobody';
  const [hasTls, ...answers] = await Promise.all([
    speaksTls(place),
    ...languages.map(({ hello }) => exchange(connectTcp(place), hello, isEnough)),
  ]);
  // A web server may be slow to answer a page; to what is no HTTP it says so at once.
  const spoken = languages.find(({ peer, is }, i) =>
    (peer === 'http/1.1' ? answers : [answers[i]]).some((answer) => is(answer ?? Buffer.alloc(0))),
  );
  if (hasTls) return 'tls';
  if (spoken !== undefined) return spoken.peer;
  return answers.every((answer) => answer === undefined) ? 'nobody' : 'other';
}

/** One sentence about a server that speaks another language than gRPC as we do; undefined when that is not what is wrong. */
export async function wrongPeer(
  address: string,
  { service, port, tls, tlsSetting }: Expected,
): Promise<string | undefined> {
  switch (await whoAnswers(address)) {
    case 'http/1.1':
      return `${address} speaks HTTP/1.1, not gRPC: the gRPC port of ${service} is ${port}`;
    case 'tls':
      return tls ? undefined : `${address} expects TLS: set ${tlsSetting}=true`;
    case 'http/2':
      return tls ? `${address} speaks gRPC without TLS: unset ${tlsSetting}, and what implies it` : undefined;
    case 'postgres':
      return `a Postgres answers at ${address}, not ${service}`;
    case 'kafka':
      return `a Kafka broker answers at ${address}, not ${service}`;
    default:
      return undefined;
  }
}

/** All answers that are known here arrive in one piece, and none needs more to be told apart. */
function isEnough(answer: Buffer): boolean {
  return answer.length >= 9 || answer.length === 1;
}

/**
 * The first bytes that come back, until there are enough of them; empty when none do; undefined when nobody takes the connection.
 *
 * @param socket one that was just made; it is closed in the end
 */
export function exchange(
  socket: Socket,
  hello: Buffer,
  enough: (answer: Buffer) => boolean,
): Promise<Buffer | undefined> {
  let answer: Buffer | undefined;
  return untilSettled(
    socket,
    () => answer,
    (end) => {
      socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
        answer = Buffer.alloc(0);
        socket.write(hello);
      });
      socket.on('data', (data: Buffer) => {
        answer = Buffer.concat([answer ?? Buffer.alloc(0), data]).subarray(0, answerBytesMax);
        if (enough(answer) || answer.length === answerBytesMax) end();
      });
    },
  );
}

/** What TLS wants to be told of the place. */
export function tlsPlace(place: HostPort): HostPort & { servername?: string } {
  return isIP(place.host) ? place : { ...place, servername: place.host };
}

function speaksTls(place: HostPort): Promise<boolean> {
  let does = false;
  // Nothing is sent over it, so it does not matter who it is.
  const socket = connectTls({ ...tlsPlace(place), rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] });
  return untilSettled(
    socket,
    () => does,
    (end) => {
      socket.once('secureConnect', () => {
        does = true;
        end();
      });
      // An alert is said in TLS; one with another version number was not.
      socket.once('error', (error: NodeJS.ErrnoException) => {
        does = /ALERT/i.test(error.code ?? '') || /alert/.test(error.message);
      });
    },
  );
}

/** What `outcome` says when `listen` calls its `end`, when the connection ends, or when nothing comes in time. */
function untilSettled<T>(socket: Socket, outcome: () => T, listen: (end: () => void) => void): Promise<T> {
  return new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    listen(end);
    socket.on('error', end).once('close', end);
  }).then(() => {
    socket.destroy();
    return outcome();
  });
}
