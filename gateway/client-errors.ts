import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Problem } from '../lib/problem.ts';
import { problemJson, problemType } from './problems.ts';

/** Writes a problem to a connection whose request could not be read as HTTP, and ends it. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Nobody is there to read it.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  endWith(socket, problemOf(error.code));
}

function problemOf(code: string | undefined): Problem {
  switch (code) {
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
      return new Problem(400, 'invalid-http', 'This is no HTTP request', 'the gateway takes HTTP/1.1 without TLS');
  }
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
