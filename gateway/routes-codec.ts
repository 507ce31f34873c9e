import type { Payload, PayloadCodec } from '../temporal/payload-codec.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { messageOf } from '../contracts/failures.ts';
import { placeholderPayload, readablePayload } from '../temporal/readable-payload.ts';
import type { GatewayApp } from './app.ts';
import { Problem } from '../lib/problem.ts';
import { problemSchema } from './problems.ts';

const bodyBytesMax = 8 * 1024 * 1024;

/** Payloads in the JSON form of protocol buffers: bytes are base64. */
const payloadsSchema = z
  .object({
    payloads: z
      .array(z.looseObject({ metadata: z.record(z.string(), z.string()).optional(), data: z.string().optional() }))
      .max(10_000)
      .default([]),
  })
  .meta({ id: 'Payloads' });

type JsonPayloads = z.output<typeof payloadsSchema>;

export interface CodecOptions {
  codec: PayloadCodec;
  /** Web origins that may call; others are refused. Programs send no origin. */
  origins: ReadonlySet<string>;
}

/** `POST /codec/decode` and `/codec/encode`: the codec endpoint of the Temporal Web UI and command line. */
export function registerCodecRoutes(app: GatewayApp, { codec, origins }: CodecOptions): void {
  const allowOrigin = async (request: FastifyRequest, reply: FastifyReply) => {
    const origin = request.headers.origin;
    if (origin === undefined) return;
    if (!origins.has(origin))
      throw new Problem(
        403,
        'origin',
        'This origin may not call',
        `${origin} is none of HEADRACE_CODEC_ORIGINS, nor the origin of TEMPORAL_UI_URL`,
      );
    void reply.headers({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-allow-headers': 'content-type, x-namespace, authorization, authorization-extras',
      'access-control-max-age': '600',
      vary: 'origin',
    });
  };
  const route = (path: string, summary: string, convert: (payload: Payload) => Promise<Payload>) => {
    app.options(path, {
      schema: { hide: true },
      onRequest: allowOrigin,
      handler: (_, reply) => reply.code(204).send(),
    });
    app.post(path, {
      bodyLimit: bodyBytesMax,
      onRequest: allowOrigin,
      schema: {
        tags: ['codec'],
        summary,
        body: payloadsSchema,
        response: {
          200: payloadsSchema,
          400: problemSchema,
          403: problemSchema,
          413: problemSchema,
          415: problemSchema,
        },
      },
      handler: async ({ body }) => ({
        payloads: await Promise.all(body.payloads.map(async (payload) => toJson(await convert(fromJson(payload))))),
      }),
    });
  };
  route('/codec/encode', 'Compress and encrypt payloads', async (payload) => (await codec.encode([payload]))[0]!);
  route('/codec/decode', 'Make payloads readable', async (payload) => {
    try {
      return readablePayload((await codec.decode([payload]))[0]!);
    } catch (error) {
      return placeholderPayload(messageOf(error));
    }
  });
}

/** Origins that may call the codec: the Web UI's, under each of its loopback names, and those of the settings. */
export function codecOrigins(uiUrl: string, more: readonly string[]): Set<string> {
  const origins = new Set(more.map((origin) => origin.replace(/\/$/, '')));
  const { origin, hostname } = new URL(uiUrl);
  origins.add(origin);
  const loopbackNames = ['127.0.0.1', 'localhost', '[::1]'];
  if (loopbackNames.includes(hostname)) {
    for (const name of loopbackNames) origins.add(origin.replace(hostname, name));
  }
  return origins;
}

function fromJson({ metadata = {}, data }: JsonPayloads['payloads'][number]): Payload {
  return {
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')])),
    ...(data !== undefined && { data: Buffer.from(data, 'base64') }),
  };
}

function toJson({ metadata, data }: Payload): JsonPayloads['payloads'][number] {
  const base64 = (bytes: Uint8Array) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value!)])),
    ...(data && { data: base64(data) }),
  };
}
