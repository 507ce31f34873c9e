import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sanitizedText } from '../../database/sanitize-text.ts';
import type { GatewayApp } from '../../gateway/app.ts';
import { createLogger, type Logger } from '../../lib/log.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import { openDatabase } from '../database/open.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';
import { testGateway } from './rig.ts';

describe('odd requests', () => {
  let pool: Pool;
  let app: GatewayApp;
  let port: number;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
    app = await testGateway({ pool });
    await app.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = app.server.address() as AddressInfo);
    const ids = ['a\0b', 'half \ud800', '..', '漢'.repeat(256), '?', '%', '/', '#', ' ', '\r\n', '"', '😀', 'a+b'];
    await createDashboardSink({ pool }).deliver(
      deliveryOf(ids.map((eventId, i) => decisionRow(i + 1, { eventId }))),
      new AbortController().signal,
    );
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await pool?.end();
  });

  /** Sends bytes as they are; resolves with status, headers and body of what comes back before the connection ends. */
  function send(text: string): Promise<{ status: number; type: string; body: string }> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(text, 'latin1')));
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.once('error', reject);
      socket.once('close', () => {
        const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
        resolve({ status: Number(head.split(' ')[1]), type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '', body });
      });
    });
  }
  const host = 'host: localhost\r\nconnection: close';
  const get = (path: string) => send(`GET ${path} HTTP/1.1\r\n${host}\r\n\r\n`);

  it.each(['a\0b', 'half \ud800', '..', '漢'.repeat(256), '?', '%', '/', '#', ' ', '\r\n', '"', '😀', 'a+b'])(
    'find the decision on the id %j',
    async (id) => {
      const { status, body } = await get(`/v1/decisions/${encodeURIComponent(sanitizedText(id))}`);
      expect(status).toBe(200);
      const found = JSON.parse(body) as { eventId: string; links: { self: string } };
      expect(found.eventId).toBe(sanitizedText(id));
      expect(await get(found.links.self)).toMatchObject({ status: 200 });
    },
  );

  it.each([
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc', 'it is TLS'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'it is HTTP/2'],
    [`BREW /pot HTTP/1.1\r\n${host}\r\n\r\n`, 'its method is not known'],
    [`GET /v1/decisions/\xe4 HTTP/1.1\r\n${host}\r\n\r\n`, 'its address has characters'],
    [`GET / HTTP/3.0\r\n${host}\r\n\r\n`, 'another version of HTTP'],
    [`POST / HTTP/1.1\r\n${host}\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx`, 'more than one length'],
    [`POST / HTTP/1.1\r\n${host}\r\ncontent-length: x\r\n\r\nx`, 'is no length'],
    ['hello\r\n\r\n', 'the gateway takes HTTP/1.1 without TLS'],
  ])('what is no HTTP/1.1 is told what it is: %j', async (bytes, said) => {
    const { status, type, body } = await send(bytes);
    expect([status, type]).toEqual([400, 'application/problem+json']);
    expect((JSON.parse(body) as { detail: string }).detail).toContain(said);
  });

  it('find an id with a NUL by itself as by what it was stored as', async () => {
    expect(JSON.parse((await get('/v1/decisions/a%00b')).body)).toMatchObject({ eventId: 'a\uFFFDb' });
  });

  it.each([
    ['/v1/decisions/no%00pe', 404],
    ['/v1/decisions/%ED%A0%80', 400],
    ['/v1/decisions/%zz', 400],
    ['/v1/decisions/%', 400],
    ['/v1/decisions/%C3', 400],
    ['/v1/decisions/', 400],
    [`/v1/decisions/${'x'.repeat(2_000)}`, 414],
    [`/${'x/'.repeat(5_000)}`, 404],
    [`/${'x'.repeat(20_000)}`, 431],
    ['/v1/decisions/a?pipeline=%00', 404],
    ['/v1/decisions/a?pipeline=orders&pipeline=orders', 400],
    ['/v1/decisions/a?pipeline[]=orders', 404],
    ['/v1/decisions/a?%zz=%zz', 404],
    ['/v1/decisions/a?__proto__=1&constructor=2', 404],
    ['/v1/reviews/%00', 404],
    ['/v1/reviews/..%2f..%2fetc', 404],
    ['/v1/reviews?pipeline=%00', 200],
    ['/v1/reviews?pipeline=%ED%A0%80', 200],
    ['/v1/reviews?limit=1e309', 400],
    ['/v1/reviews?limit=', 400],
    ['/v1/reviews?limit=1&limit=2', 400],
    ['/v1/reviews?limit=0x10', 200],
    ['/v1/reviews?cursor=%00', 400],
    ['/v1/reviews?cursor=OTk5OTk5OTk5OTk5OTk5', 200],
    ['/v1/reviews?status=open&status=open', 400],
    ['/v1/reviews?&&&=&', 200],
    ['/docs/static/%00', 403],
    ['/docs/static/..%2f..%2f..%2fpackage.json', 404],
    ['//v1//reviews', 404],
    ['http://elsewhere/v1/reviews', 200],
    ['*', 302],
  ])('%s is %i, and never our fault', async (path, expected) => {
    const { status, type } = await get(path);
    expect(status).toBe(expected);
    if (expected >= 400) expect(type).toBe('application/problem+json');
  });

  it.each([
    ['%00', { verdict: 'fraud', reviewer: 'Ann' }, 404],
    ['review%3A%00', { verdict: 'fraud', reviewer: 'Ann' }, 404],
    ['review%3Alocal%3Aorders%3A0%3Aorders%3A3%3A99999999999999999999', { verdict: 'fraud', reviewer: 'Ann' }, 404],
    ['x', { verdict: 'fraud', reviewer: ' ' }, 400],
    ['x', null, 400],
    ['x', [], 400],
  ])('a verdict on %s is refused without asking anybody', async (id, body, status) => {
    const response = await app.inject({
      method: 'POST',
      url: `/v1/reviews/${id}/verdict`,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });
    expect([response.statusCode, response.headers['content-type']]).toEqual([status, 'application/problem+json']);
  });

  it('a method that an address does not take is told those that it does', async () => {
    for (const [method, url, allow] of [
      ['DELETE', '/v1/decisions/a', 'GET, HEAD'],
      ['GET', '/v1/pipelines/orders/events', 'POST'],
      ['PUT', '/v1/reviews/x/verdict', 'POST'],
      ['PATCH', '/readyz', 'GET, HEAD'],
      ['GET', '/codec/decode', 'OPTIONS, POST'],
    ] as const) {
      const response = await app.inject({ method, url });
      expect([response.statusCode, response.headers['allow'], response.json<{ type: string }>().type]).toEqual([
        405,
        allow,
        'urn:headrace:problem:method',
      ]);
    }
  });

  it.each([
    ['a method that nobody knows', `BREW /v1/reviews HTTP/1.1\r\n${host}\r\n\r\n`, 400],
    ['a method of WebDAV', `PROPFIND /v1/reviews HTTP/1.1\r\n${host}\r\n\r\n`, 405],
    ['TRACE', `TRACE /v1/reviews HTTP/1.1\r\n${host}\r\n\r\n`, 405],
    ['a tunnel', `CONNECT example.org:443 HTTP/1.1\r\n${host}\r\n\r\n`, 405],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 400],
    ['TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 400],
    ['a space in the address', `GET /v1/decisions/a b HTTP/1.1\r\n${host}\r\n\r\n`, 400],
    ['no host', 'GET /v1/reviews HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
    [
      'an expectation',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\nexpect: miracles\r\ncontent-length: 0\r\n\r\n`,
      417,
    ],
    ['too large headers', `GET /v1/reviews HTTP/1.1\r\n${host}\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'two lengths',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}`,
      400,
    ],
    [
      'a length and chunks',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'a length that is none',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-length: -1\r\n\r\n`,
      400,
    ],
    [
      'a broken chunk',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
      400,
    ],
    ['no body at all', `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\n\r\n`, 400],
    ['a verdict without a body', `POST /v1/reviews/x/verdict HTTP/1.1\r\n${host}\r\n\r\n`, 400],
    [
      'a type without a body',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-type: application/json\r\n\r\n`,
      400,
    ],
    [
      'a body that is announced as too large',
      `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n`,
      413,
    ],
  ])('%s gets a problem', async (_, request, expected) => {
    const { status, type, body } = await send(request);
    expect([status, type]).toEqual([expected, 'application/problem+json']);
    expect(JSON.parse(body)).toMatchObject({
      status: expected,
      type: expect.stringMatching(/^urn:headrace:problem:/) as string,
    });
  });

  it('a client that goes away in the middle of its body is no failure of a server', async () => {
    const errors: unknown[] = [];
    const log = {
      ...createLogger('test', 'silent'),
      level: 'error',
      error: (...args: unknown[]) => void errors.push(args),
      child: () => log,
    } as unknown as Logger;
    const logging = await testGateway({ log });
    try {
      await logging.listen({ host: '127.0.0.1', port: 0 });
      const ended = new Promise((resolve) =>
        logging.server.once('connection', (socket) => socket.once('close', resolve)),
      );
      const socket = connect((logging.server.address() as AddressInfo).port, '127.0.0.1', () => {
        socket.write(
          `POST /v1/pipelines/orders/events HTTP/1.1\r\n${host}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
        );
      });
      logging.server.once('request', () => socket.resetAndDestroy());
      await ended;
      await logging.close();
      expect(errors).toEqual([]);
    } finally {
      await logging.close();
    }
  });

  it('serves HTTP/1.0, and a client that asks before it sends', async () => {
    expect((await send('GET /healthz HTTP/1.0\r\n\r\n')).status).toBe(200);
    const body = '{"payloads":[]}';
    const { status } = await send(
      `POST /codec/decode HTTP/1.1\r\n${host}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(status).toBe(100);
  });
});
