import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayApp } from '../../gateway/app.ts';
import type { EventMessage } from '../../gateway/routes-events.ts';
import { orderEvent } from './orders.ts';
import { testGateway } from './rig.ts';

describe('bodies of events', () => {
  let app: GatewayApp;
  const published: EventMessage[] = [];
  beforeAll(async () => {
    app = await testGateway({ publishEvents: async (_, messages) => void published.push(...messages) });
  });
  beforeEach(() => void (published.length = 0));
  afterAll(() => app?.close());

  const post = async (payload: Buffer | string, headers: Record<string, string | undefined> = {}) => {
    const response = await app.inject({
      method: 'POST',
      url: '/v1/pipelines/orders/events',
      headers: { 'content-type': 'application/json', ...headers } as Record<string, string>,
      payload,
    });
    return {
      status: response.statusCode,
      headers: response.headers,
      body: response.json<Record<string, unknown> & { detail: string }>(),
    };
  };
  const values = () => published.map(({ value }) => value.toString());
  // Written as no JSON.stringify would: an integer that JSON.parse rounds in a field that the schema drops, a fraction with zeros, keys twice, odd spaces.
  const odd = (id: string) =>
    `{ "ref":9007199254740993, "orderId":"${id}" ,"customer":"Zo\\u00eb","amount":12.50,"amount":1.00e1,\t"at":"2026-01-02T03:04:05Z" }`;
  const event = JSON.stringify(orderEvent('one', { customer: 'Zoë' }));

  it('go to Kafka byte for byte, one by one or out of an array', async () => {
    expect(await post(`\n ${odd('a')}\r\n`)).toMatchObject({ status: 202, body: { accepted: 1, eventIds: ['a'] } });
    expect(await post(` [ ${odd('b')},\n${odd('c')} ]\n`)).toMatchObject({
      status: 202,
      body: { eventIds: ['b', 'c'] },
    });
    expect(values()).toEqual(['a', 'b', 'c'].map(odd));
  });

  it('may be JSON lines, with blank ones, record separators and any ends of line', async () => {
    const lines = `${odd('a')}\r\n\r\n\x1e${odd('b')}\n   \n${odd('c')}`;
    for (const type of ['application/x-ndjson', 'application/jsonl; charset=utf-8', 'application/json-seq']) {
      published.length = 0;
      expect(await post(lines, { 'content-type': type })).toMatchObject({ status: 202 });
      expect(values()).toEqual(['a', 'b', 'c'].map(odd));
    }
    expect(await post(`${odd('a')}\n{"orderId":\n`, { 'content-type': 'application/x-ndjson' })).toMatchObject({
      status: 400,
      body: { errors: [{ index: 1, code: 'NOT_JSON' }] },
    });
  });

  it.each<[string, Buffer, Record<string, string>]>([
    ['a byte order mark', Buffer.from(`\uFEFF${event}`), {}],
    ['UTF-16 with a mark', Buffer.from(`\uFEFF${event}`, 'utf16le'), {}],
    ['UTF-16, named', Buffer.from(event, 'utf16le').swap16(), { 'content-type': 'application/json; charset="UTF-16"' }],
    ['ISO-8859-1, named', Buffer.from(event, 'latin1'), { 'content-type': 'application/json;charset=ISO-8859-1' }],
    ['gzip', gzipSync(event), { 'content-encoding': 'gzip' }],
    ['gzip in its old name', gzipSync(event), { 'content-encoding': 'X-GZIP' }],
    ['deflate', deflateSync(event), { 'content-encoding': 'deflate' }],
    ['deflate without its header', deflateRawSync(event), { 'content-encoding': 'deflate' }],
    ['brotli', brotliCompressSync(event), { 'content-encoding': 'br' }],
    ['gzip of UTF-16', gzipSync(Buffer.from(event, 'utf16le')), { 'content-encoding': 'gzip' }],
    ['no coding, said', Buffer.from(event), { 'content-encoding': 'identity' }],
    ['JSON by another name', Buffer.from(event), { 'content-type': 'application/vnd.shop.order+json' }],
  ])('may be %s', async (_, payload, headers) => {
    expect(await post(payload, headers)).toMatchObject({ status: 202 });
    expect(values()).toEqual([event]);
  });

  it.each<[string, Buffer | string, Record<string, string | undefined>, number, RegExp]>([
    [
      'the type that curl sends by itself',
      event,
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      /^application\/x-www-form-urlencoded is what curl sends when it is told nothing \(-H sets the header\): the body must be JSON, with the header content-type: application\/json \(or application\/x-ndjson, /,
    ],
    [
      'the type that fetch sends by itself',
      event,
      { 'content-type': 'text/plain;charset=UTF-8' },
      415,
      /^text\/plain is what fetch sends/,
    ],
    ['no type', Buffer.from(event), { 'content-type': undefined }, 415, /^the body has no content-type: /],
    ['a type that is none', event, { 'content-type': 'json' }, 415, /content-type: application\/json/],
    [
      'a file of a form',
      event,
      { 'content-type': 'multipart/form-data; boundary=x' },
      415,
      /^multipart\/form-data is not taken/,
    ],
    [
      'another coding',
      event,
      { 'content-encoding': 'zstd' },
      415,
      /^the content-encoding zstd is not taken; send one of gzip, deflate, br, or none$/,
    ],
    ['two codings', event, { 'content-encoding': 'gzip, gzip' }, 415, /^the content-encoding gzip, gzip is not taken/],
    [
      'a coding that is no word',
      event,
      { 'content-encoding': 'constructor' },
      415,
      /^the content-encoding constructor is not taken/,
    ],
    [
      'what is not gzip',
      event,
      { 'content-encoding': 'gzip' },
      400,
      /^the body is not gzip, as its content-encoding says$/,
    ],
    ['half of a gzip', gzipSync(event).subarray(0, 40), { 'content-encoding': 'gzip' }, 400, /^the body is not gzip/],
    [
      'gzip that does not say so',
      gzipSync(event),
      {},
      415,
      /^the body looks like gzip: say so with the header content-encoding: gzip$/,
    ],
    ['Parquet', Buffer.from('PAR1\x15\x04\xff', 'latin1'), {}, 415, /^the body looks like Parquet: send JSON$/],
    [
      'a charset that is not taken',
      event,
      { 'content-type': 'application/json; charset=windows-1252' },
      415,
      /charset windows-1252, which is not taken; send UTF-8$/,
    ],
    ['bytes that are not UTF-8', Buffer.from(event, 'latin1'), {}, 415, /^the text is not UTF-8$/],
    [
      'a gzip bomb',
      gzipSync(Buffer.alloc(50 * 1024 * 1024, ' ')),
      { 'content-encoding': 'gzip' },
      413,
      /^the body inflates to more than 1048576 bytes$/,
    ],
    [
      'a brotli bomb',
      brotliCompressSync(Buffer.alloc(50 * 1024 * 1024, ' ')),
      { 'content-encoding': 'br' },
      413,
      /inflates/,
    ],
    ['nothing', '', {}, 400, /^send one event/],
    ['nothing but a mark', '\uFEFF', {}, 400, /^send one event/],
    ['two documents', `${event}${event}`, {}, 400, /^send one event/],
  ])('of %s are refused by name', async (_, payload, headers, status, detail) => {
    const response = await post(payload, headers);
    expect(response).toMatchObject({ status, body: { status, detail: expect.stringMatching(detail) as string } });
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(published).toEqual([]);
  });

  it('says which codings it takes', async () => {
    expect((await post(event, { 'content-encoding': 'compress' })).headers['accept-encoding']).toBe(
      'gzip, deflate, br',
    );
  });

  describe('that are CloudEvents', () => {
    const type = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
    const attributes =
      '"specversion":"1.0", "id":"ce-1", "source":"/pos/7", "type":"payment.made", "time":"2018-04-01T10:00:00Z", "partitionkey":"ä", "datacontenttype":"application/json"';
    const headers = {
      ce_specversion: '1.0',
      ce_id: 'ce-1',
      ce_source: '/pos/7',
      ce_type: 'payment.made',
      ce_time: '2018-04-01T10:00:00Z',
      ce_partitionkey: 'ä',
      'content-type': 'application/json',
    };

    it('carry the event in data, byte for byte, and their attributes in the headers of the record', async () => {
      expect(await post(`{${attributes}, "data": ${odd('a')} }`, type)).toMatchObject({
        status: 202,
        body: { eventIds: ['a'] },
      });
      expect(published).toEqual([{ key: Buffer.from('Zoë'), value: Buffer.from(odd('a')), headers }]);
    });

    it('may carry it as bytes', async () => {
      expect(
        await post(`{${attributes},"data_base64":"${Buffer.from(odd('a')).toString('base64')}"}`, type),
      ).toMatchObject({ status: 202 });
      expect(published).toMatchObject([{ value: Buffer.from(odd('a')), headers }]);
    });

    it('may come in a batch', async () => {
      const batch = { 'content-type': 'application/cloudevents-batch+json' };
      expect(
        await post(
          `[{"specversion":"1.0","id":"1","data":${odd('a')}},{"specversion":"1.0","id":"2","data":${odd('b')}}]`,
          batch,
        ),
      ).toMatchObject({ status: 202, body: { eventIds: ['a', 'b'] } });
      expect(published.map(({ headers: each }) => each?.['ce_id'])).toEqual(['1', '2']);
      expect(await post('[{"specversion":"1.0","id":"1"},7]', batch)).toMatchObject({
        status: 400,
        body: {
          errors: [
            { index: 0, reason: 'a CloudEvent must have data' },
            { index: 1, reason: 'a CloudEvent must be an object' },
          ],
        },
      });
    });

    it('may be in binary mode, with their attributes in the headers of the request', async () => {
      expect(
        await post(odd('a'), {
          'ce-specversion': '1.0',
          'ce-id': 'ce-1',
          'ce-source': '/pos/7',
          'ce-type': 'caf%C3%A9',
          'ce-odd': '%zz',
        }),
      ).toMatchObject({ status: 202 });
      expect(published).toMatchObject([
        {
          value: Buffer.from(odd('a')),
          headers: {
            ce_specversion: '1.0',
            ce_id: 'ce-1',
            ce_source: '/pos/7',
            ce_type: 'café',
            ce_odd: '%zz',
            'content-type': 'application/json',
          },
        },
      ]);
    });

    it.each([
      ['of another version', '{"specversion":"0.3","data":{}}', 'a CloudEvent must have the specversion "1.0"'],
      ['without data', '{"specversion":"1.0","id":"1"}', 'a CloudEvent must have data'],
      [
        'with data that is no JSON',
        '{"specversion":"1.0","datacontenttype":"text/xml","data":"<a/>"}',
        'datacontenttype must be application/json',
      ],
      [
        'with too many attributes',
        `{"specversion":"1.0","data":{},${Array.from({ length: 60 }, (_, i) => `"a${i}":1`).join()}}`,
        'a CloudEvent of more than 50 attributes is not taken',
      ],
    ])('%s are refused', async (_, body, reason) => {
      expect(await post(body, type)).toMatchObject({
        status: 400,
        body: { errors: [{ index: 0, code: 'SCHEMA_MISMATCH', reason }] },
      });
    });

    it('that are not said to be so are recognised', async () => {
      const { body } = await post(`{${attributes},"data":${event}}`);
      expect(body).toMatchObject({
        errors: [
          {
            code: 'SCHEMA_MISMATCH',
            reason: expect.stringContaining(
              'it looks like a CloudEvent: send it with content-type: application/cloudevents+json',
            ) as string,
          },
        ],
      });
    });
  });

  it('may come without a type to an address that does not exist', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/nowhere',
      headers: { 'content-type': 'text/csv' },
      payload: 'a,b',
    });
    expect(response.json()).toMatchObject({ status: 404, type: 'urn:headrace:problem:not-found' });
  });
});

describe('bodies of other routes', () => {
  let app: GatewayApp;
  beforeAll(async () => {
    app = await testGateway({});
  });
  afterAll(() => app?.close());
  const decode = (payload: Buffer | string, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/codec/decode',
      headers: { 'content-type': 'application/json', ...headers },
      payload,
    });

  it('may be compressed, encoded and marked, too', async () => {
    for (const [payload, headers] of [
      [gzipSync('{"payloads":[]}'), { 'content-encoding': 'gzip' }],
      [Buffer.from('\uFEFF{"payloads":[]}', 'utf16le'), {}],
    ] as const) {
      const response = await decode(payload, headers);
      expect([response.statusCode, response.json()]).toEqual([200, { payloads: [] }]);
    }
  });

  it('are refused by name when they are anything else', async () => {
    expect((await decode('{"payloads":')).json()).toMatchObject({ status: 400, type: 'urn:headrace:problem:not-json' });
    expect((await decode('{"__proto__":{"a":1}}')).json()).toMatchObject({ status: 400 });
    expect((await decode('a=1', { 'content-type': 'application/x-www-form-urlencoded' })).json()).toMatchObject({
      status: 415,
      detail: expect.stringMatching(/content-type: application\/json$/) as string,
    });
  });
});
