import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Problem } from '../lib/problem.ts';
import { problemJson, problemType } from './problems.ts';

/** What Node tells of bytes that its parser refuses. */
interface ParserError extends NodeJS.ErrnoException {
  /** What came last. */
  rawPacket?: unknown;
}

/** Writes a problem to a connection whose request could not be read as HTTP, and ends it. */
export function refuseConnection(error: ParserError, socket: Duplex): void {
  // Nobody is there to read it.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  endWith(socket, problemOf(error));
}

function problemOf(error: ParserError): Problem {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem(408, 'timeout', 'The request took too long', 'the request did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(
        431,
        'headers-too-large',
        'The headers are too large',
        'headers and address together may have 16 KiB',
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new Problem(413, 'too-large', 'The request is too large', 'its chunk extensions are too long');
    default:
      return new Problem(
        400,
        'invalid-http',
        'This is no HTTP/1.1 request',
        `${whatCame(error)}; the gateway takes HTTP/1.1 without TLS`,
      );
  }
}

/** By the parser of Node (llhttp): its codes that a client's program may well cause. */
const faults: Record<string, string> = {
  HPE_INVALID_METHOD: 'its method is not known',
  HPE_INVALID_URL: 'its address has characters that must be percent-encoded',
  HPE_INVALID_VERSION: 'it has another version of HTTP',
  HPE_INVALID_HEADER_TOKEN: 'a header has a character that no header may have',
  HPE_INVALID_CONTENT_LENGTH: 'its content-length is no length, or stands beside a transfer-encoding',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'it has more than one length: content-length twice, or beside transfer-encoding',
  HPE_INVALID_TRANSFER_ENCODING: 'its transfer-encoding is not chunked, or stands beside a content-length',
  HPE_INVALID_CHUNK_SIZE: 'a chunk of its body has no size that can be read',
};

const tlsHandshake = 0x16;

function whatCame({ code = '', rawPacket }: ParserError): string {
  const bytes = Buffer.isBuffer(rawPacket) ? rawPacket : Buffer.alloc(0);
  if (bytes[0] === tlsHandshake) return 'it is TLS: use http:// instead of https://';
  if (bytes.subarray(0, 14).toString('latin1') === 'PRI * HTTP/2.0') return 'it is HTTP/2';
  return faults[code] ?? 'it cannot be read as HTTP';
}

function endWith(socket: Duplex, problem: Problem): void {
  const body = problemJson(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** What Node refuses by itself, without a word: a tunnel, and an expectation other than 100-continue. */
export function refuseOddRequests(server: Server): void {
  server.on('connect', (_: IncomingMessage, socket: Duplex) =>
    endWith(socket, new Problem(405, 'method', 'Method not allowed', 'the gateway is no proxy')),
  );
  server.on('checkExpectation', (_: IncomingMessage, response: ServerResponse) => {
    const body = problemJson(
      new Problem(
        417,
        'expectation',
        'The expectation cannot be met',
        'only 100-continue is known in the header expect',
      ),
    );
    response
      .writeHead(417, { 'content-type': problemType, 'content-length': Buffer.byteLength(body), connection: 'close' })
      .end(body);
  });
}
