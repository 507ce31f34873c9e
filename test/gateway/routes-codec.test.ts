import { randomBytes } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeDecisions } from '../../contracts/decisions-frame.ts';
import { encodeFeatures } from '../../contracts/features-frame.ts';
import { encodeFrame } from '../../contracts/frame.ts';
import { encodeHeaders, textHeader } from '../../contracts/record-headers.ts';
import { encodeRecords } from '../../contracts/records-frame.ts';
import { encodeScored } from '../../contracts/scored-frame.ts';
import type { GatewayApp } from '../../gateway/app.ts';
import { codecOrigins } from '../../gateway/routes-codec.ts';
import { createPayloadCodec } from '../../temporal/payload-codec.ts';
import { testGateway } from './rig.ts';
import { oneRange } from '../contracts/one-range.ts';

interface JsonPayload {
  metadata: Record<string, string>;
  data?: string;
}
const uiOrigin = 'http://localhost:8233';
const topic = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders' };
const batch = {
  ...oneRange(topic),
  ranges: [
    { partition: 2, position: 100, end: 102, count: 2 },
    { partition: 5, position: 102, end: 180, count: 78 },
  ],
};
const codec = createPayloadCodec({ key: { id: 'k1', key: randomBytes(32) } });

const twoDecisions = {
  header: {
    kind: 'decisions' as const,
    id: 'd',
    batch,
    model: { name: 'orders', version: '4' },
    outputs: [
      { name: 'score', width: 1 },
      { name: 'parts', width: 2 },
    ],
    outcomes: ['approve', 'review'],
    whys: ['little', 'much'],
    sinks: ['lake', 'dashboard', 'review'],
    outcomeCounts: { approve: 1, review: 1 },
    sinkCounts: { lake: 2, dashboard: 2, review: 1 },
    degradedCount: 1,
    rejectedCount: 0,
    rejections: [],
  },
  predictions: Float32Array.of(0.5, 1, 2, 0.75, 3, 4),
  outcome: Uint8Array.of(0, 1),
  why: Uint16Array.of(0, 1),
  sinks: Uint32Array.of(0b011, 0b111),
  degraded: Uint8Array.of(0, 1),
};

describe('/codec', () => {
  let app: GatewayApp;
  beforeAll(async () => {
    app = await testGateway({ codec, codecOrigins: codecOrigins('http://127.0.0.1:8233', ['https://ui.example']) });
  });
  afterAll(() => app?.close());

  const post = (path: string, payloads: unknown, headers = {}) =>
    app.inject({ method: 'POST', url: `/codec/${path}`, payload: { payloads }, headers });
  const toJson = ({ metadata, data }: Payload): JsonPayload => ({
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, bytes]) => [name, Buffer.from(bytes!).toString('base64')]),
    ),
    data: data ? Buffer.from(data).toString('base64') : undefined,
  });
  /** What the Web UI would show of a payload in a history. */
  const shown = async (payload: Payload) => {
    const response = await post('decode', (await codec.encode([payload])).map(toJson), { origin: uiOrigin });
    expect(response.statusCode).toBe(200);
    const [decoded] = response.json<{ payloads: JsonPayload[] }>().payloads;
    return {
      encoding: Buffer.from(decoded!.metadata['encoding']!, 'base64').toString(),
      json: JSON.parse(Buffer.from(decoded!.data!, 'base64').toString()) as unknown,
    };
  };
  const binary = (data: Uint8Array): Payload => ({ metadata: { encoding: Buffer.from('binary/plain') }, data });

  it('shows the records of a batch: all counted, the first 50 in full', async () => {
    const records = Array.from({ length: 80 }, (_, i) => ({
      offset: 100 + i,
      timestampMs: 1_760_000_000_000 + i,
      key: Buffer.from(`k${i}`),
      headers:
        i === 0
          ? encodeHeaders([
              textHeader('source', 'test'),
              textHeader('none', null),
              [Buffer.from('raw'), Buffer.from([0xff])],
            ])
          : undefined,
      value:
        i === 1
          ? null
          : Buffer.from(
              i === 2
                ? '{broken'
                : i === 0
                  ? '{"orderId":"order-0","account":9007199254740993}'
                  : JSON.stringify({ orderId: `order-${i}` }),
            ),
      stub: i === 3 ? { recordBytes: 2_000_000 } : undefined,
    }));
    const { encoding, json } = await shown(binary(encodeRecords(batch, records, 1_700_000_000_000)));
    expect(encoding).toBe('json/plain');
    const { rows, ...totals } = json as { rows: unknown[] };
    expect(totals).toEqual({ frame: 'records', batch, clock: '2023-11-14T22:13:20.000Z', total: 80, shown: 50 });
    expect(rows.slice(0, 4)).toEqual([
      {
        partition: 2,
        offset: 100,
        time: '2025-10-09T08:53:20.000Z',
        key: 'k0',
        value: { orderId: 'order-0', account: '9007199254740993' },
        headers: [
          { name: 'source', value: 'test' },
          { name: 'none', value: null },
          { name: 'raw', valueBase64: '/w==' },
        ],
      },
      { partition: 2, offset: 101, time: '2025-10-09T08:53:20.001Z', key: 'k1', value: null },
      { partition: 5, offset: 102, time: '2025-10-09T08:53:20.002Z', key: 'k2', value: '{broken' },
      {
        partition: 5,
        offset: 103,
        time: '2025-10-09T08:53:20.003Z',
        key: 'k3',
        value: { orderId: 'order-3' },
        cutFromBytes: 2_000_000,
      },
    ]);
  });

  it('shows features by name, and both frames of a scored one', async () => {
    const header = {
      kind: 'features' as const,
      batch,
      names: ['amount', 'count'],
      rejections: [{ index: 1, step: 'decode' as const, code: 'NOT_JSON', reason: 'broken' }],
      duplicates: [4],
      late: [1],
      ahead: 0,
      watermarksMs: [1_760_000_000_000, null],
      commitSequence: 9,
    };
    const features = encodeFeatures({
      header,
      recordIndex: Uint32Array.of(0, 2),
      values: Float32Array.of(1.5, 2, 3.5, 4),
    });
    const { json } = await shown(binary(features));
    const decided = await shown(binary(encodeScored({ features, decisions: encodeDecisions(twoDecisions) })));
    expect(decided.json).toMatchObject({
      frame: 'scored',
      features: json,
      decisions: { frame: 'decisions', total: 2 },
    });
    expect(json).toMatchObject({
      frame: 'features',
      total: 2,
      shown: 2,
      totals: { rejected: 1, duplicates: 1, late: 1, ahead: 0 },
      watermarks: { 2: '2025-10-09T08:53:20.000Z', 5: null },
      commitSequence: 9,
      rejections: header.rejections,
      rows: [
        { record: 0, late: false, features: { amount: 1.5, count: 2 } },
        { record: 2, late: true, features: { amount: 3.5, count: 4 } },
      ],
    });
  });

  it('shows decisions with prediction, reason and sinks', async () => {
    const { json } = await shown(binary(encodeDecisions(twoDecisions)));
    expect(json).toMatchObject({
      frame: 'decisions',
      total: 2,
      model: { name: 'orders', version: '4' },
      totals: { outcomes: { approve: 1, review: 1 }, degraded: 1 },
      rows: [
        {
          outcome: 'approve',
          why: 'little',
          prediction: { score: 0.5, parts: [1, 2] },
          sinks: ['lake', 'dashboard'],
          degraded: false,
        },
        {
          outcome: 'review',
          why: 'much',
          prediction: { score: 0.75, parts: [3, 4] },
          sinks: ['lake', 'dashboard', 'review'],
          degraded: true,
        },
      ],
    });
  });

  it('shows frames of other kinds by their size, and leaves payloads that are no frame as they are', async () => {
    expect((await shown(binary(encodeFrame({ header: { kind: 'later' }, columns: {} })))).json).toMatchObject({
      frame: 'later',
    });
    expect(await shown({ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('{"a":1}') })).toEqual({
      encoding: 'json/plain',
      json: { a: 1 },
    });
    const voidResult = [{ metadata: { encoding: Buffer.from('binary/null').toString('base64') } }];
    expect((await post('decode', voidResult)).json()).toEqual({ payloads: voidResult });
    expect((await post('decode', undefined)).json()).toEqual({ payloads: [] });
  });

  it('shows a placeholder for a payload that it cannot read, beside those that it can', async () => {
    const sealed = await createPayloadCodec({ key: { id: 'lost', key: randomBytes(32) } }).encode([
      { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('1') },
    ]);
    const good = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('2') };
    const cut = binary(
      encodeRecords(
        oneRange(topic),
        [{ offset: 1, timestampMs: 1, key: null, value: Buffer.from('xxxxxxxxxxxx') }],
        1,
      ).slice(0, -16),
    );
    const response = await post('decode', [...sealed, good, cut].map(toJson));
    const texts = response
      .json<{ payloads: JsonPayload[] }>()
      .payloads.map(({ data }) => Buffer.from(data!, 'base64').toString());
    expect(texts[0]).toContain('add it to HEADRACE_CODEC_OLD_KEYS');
    expect(texts[1]).toBe('2');
    expect(texts[2]).toMatch(/unreadable.*was cut/);
  });

  it('encodes what the worker decodes', async () => {
    const payload = {
      metadata: { encoding: Buffer.from('json/plain') },
      data: Buffer.from(JSON.stringify({ verdict: 'fraud', pad: 'x'.repeat(1_000) })),
    };
    const [encoded] = (await post('encode', [toJson(payload)])).json<{ payloads: JsonPayload[] }>().payloads;
    expect(Buffer.from(encoded!.data!, 'base64').includes('fraud')).toBe(false);
    const bytes = (text: string) => Buffer.from(text, 'base64');
    const [decoded] = await codec.decode([
      {
        metadata: Object.fromEntries(Object.entries(encoded!.metadata).map(([name, text]) => [name, bytes(text)])),
        data: bytes(encoded!.data!),
      },
    ]);
    expect(Buffer.from(decoded!.data!).toString()).toBe(payload.data.toString());
  });

  it('answers the preflight of the Web UI and of configured origins, and refuses others', async () => {
    const preflight = (origin: string) =>
      app.inject({
        method: 'OPTIONS',
        url: '/codec/decode',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'x-namespace,authorization',
        },
      });
    for (const origin of [uiOrigin, 'http://127.0.0.1:8233', 'https://ui.example']) {
      const response = await preflight(origin);
      expect(response.statusCode).toBe(204);
      expect(response.headers['access-control-allow-origin']).toBe(origin);
      expect(response.headers['access-control-allow-headers']).toMatch(/x-namespace.*authorization/);
    }
    for (const origin of ['http://evil.example', 'null', 'http://localhost:9999']) {
      for (const response of [
        await preflight(origin),
        await post('decode', [], { origin }),
        await post('encode', [], { origin }),
      ]) {
        expect(response.statusCode).toBe(403);
        expect(response.headers['access-control-allow-origin']).toBeUndefined();
      }
    }
  });

  it('takes bodies up to 8 MiB', async () => {
    const of = (bytes: number) => [{ metadata: {}, data: 'A'.repeat(bytes) }];
    expect((await post('decode', of(7 * 1024 * 1024))).statusCode).toBe(200);
    expect((await post('decode', of(9 * 1024 * 1024))).json()).toMatchObject({
      status: 413,
      type: 'urn:headrace:problem:too-large',
    });
  });
});
