import type { FastifyRequest } from 'fastify';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from 'node:zlib';
import { binaryFormatOf } from '../lib/byte-formats.ts';
import { TextEncodingError, toUtf8 } from '../lib/text-encoding.ts';
import { Problem } from '../lib/problem.ts';

type Inflate = (body: Buffer, options: Pick<ZlibOptions, 'maxOutputLength'>) => Promise<Buffer>;

const inflateZlib: Inflate = promisify(inflate);
const inflateBare: Inflate = promisify(inflateRaw);

/** RFC 9110 means a zlib stream by deflate; some clients send it without its header. */
const deflate: Inflate = (body, options) =>
  ((body[0]! & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0 ? inflateZlib : inflateBare)(body, options);

const codings: Record<string, Inflate> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate,
  br: promisify(brotliDecompress),
};
const accepted = 'gzip, deflate, br';

/** What a `content-type` header says. */
export interface MediaType {
  /** In small letters, without parameters; empty when there is no header. */
  name: string;
  charset?: string;
}

export function mediaTypeOf(request: FastifyRequest): MediaType {
  const [name = '', ...parameters] = (request.headers['content-type'] ?? '').split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/i.exec(parameter)?.[1])
    .find((found) => found !== undefined);
  return { name: name.trim().toLowerCase(), charset };
}

/**
 * The text of a body in UTF-8, whatever it was compressed with and encoded in; the very bytes that came when they are that already.
 * Throws a Problem: 413 when it inflates to more than the limit, 415 for a coding or charset that is not taken, 400 when it is none of what it is said to be.
 */
export async function readBody(request: FastifyRequest, body: Buffer, bytesMax: number): Promise<Buffer> {
  const bytes = await inflated(request, body, bytesMax);
  try {
    return toUtf8(bytes, mediaTypeOf(request).charset);
  } catch (error) {
    if (!(error instanceof TextEncodingError)) throw error;
    const format = binaryFormatOf(bytes);
    if (format === undefined) throw new Problem(415, 'invalid-request', 'The request cannot be used', error.message);
    const remedy = format === 'gzip' ? 'say so with the header content-encoding: gzip' : 'send JSON';
    throw new Problem(415, 'invalid-request', 'The request cannot be used', `the body looks like ${format}: ${remedy}`);
  }
}

async function inflated(request: FastifyRequest, body: Buffer, bytesMax: number): Promise<Buffer> {
  const coding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
  if (coding === '' || coding === 'identity' || body.length === 0) return body;
  const inflate = Object.hasOwn(codings, coding) ? codings[coding] : undefined;
  if (!inflate) {
    throw new Problem(
      415,
      'invalid-request',
      'The request cannot be used',
      `the content-encoding ${coding.slice(0, 40)} is not taken; send one of ${accepted}, or none`,
      {
        headers: { 'accept-encoding': accepted },
      },
    );
  }
  try {
    return await inflate(body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new Problem(
        413,
        'too-large',
        'The request is too large',
        `the body inflates to more than ${bytesMax} bytes`,
      );
    throw new Problem(
      400,
      'invalid-request',
      'The request cannot be used',
      `the body is not ${coding}, as its content-encoding says`,
    );
  }
}

/** Types that programs send when nobody told them the right one. */
const usualMistakes: Record<string, string> = {
  '': 'the body has no content-type',
  'application/x-www-form-urlencoded':
    'application/x-www-form-urlencoded is what curl sends when it is told nothing (-H sets the header)',
  'text/plain': 'text/plain is what fetch sends when it is told nothing',
};

/** Thrown for a body of a type that the route does not read; says which ones it does. */
export function unreadableType(request: FastifyRequest, types: readonly string[]): Problem {
  const { name } = mediaTypeOf(request);
  const mistake = Object.hasOwn(usualMistakes, name) ? usualMistakes[name]! : `${name.slice(0, 100)} is not taken`;
  const detail = `${mistake}: the body must be JSON, with the header content-type: application/json${types.length > 1 ? ` (or ${types.slice(1).join(', ')})` : ''}`;
  return new Problem(415, 'invalid-request', 'The request cannot be used', detail, {
    headers: { accept: types.join(', ') },
  });
}

/** `application/json`, and whatever else is JSON by its name. */
export function isJsonType(name: string): boolean {
  return name === 'text/json' || /^application\/([\w.-]+\+)?json$/.test(name);
}
